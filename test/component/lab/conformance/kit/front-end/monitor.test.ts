import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { PeerClosedError } from "../../../../../../src/core/base/index.ts";
import { Monitor } from "../../../../../../src/lab/conformance/kit/front-end/monitor.ts";
import { guardLeaks } from "../../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../../support/folder.ts";

guardLeaks();

test("a front-end that is killed with a command unread fails that command, and nothing else", async (t) => {
  const path = join(temporaryFolder(t), "qmp.sock");
  const connected = new Promise<Socket>((resolve) => {
    // It reads nothing: what is unread when it is gone resets the connection.
    const server = createServer((socket) => {
      socket.write('{"QMP": {}}\n{"return": {}}\n');
      resolve(socket);
    });
    server.listen(path);
    t.after(() => server.close());
  });
  const monitor = await Monitor.connect(path, 5000);
  t.after(() => monitor.close());
  const answer = monitor.execute("query-status");
  (await connected).destroy();
  await assert.rejects(answer, PeerClosedError);
});
