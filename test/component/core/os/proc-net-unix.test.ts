import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  isListening,
  listeningPaths,
  parseListeningPaths,
  UnixListener,
  UnixSocket,
} from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

test("finds a listening path with spaces, without connecting to it", (t) => {
  const path = join(temporaryFolder(t), "with  spaces ");
  using listener = UnixListener.listen(path);
  assert.equal(isListening(path), true);
  assert.equal(listeningPaths().has(path), true);
  assert.equal(listener.accept(), undefined);
  listener.close();
  assert.equal(isListening(path), false);
});

test("a connection's path does not count as listening", async (t) => {
  const path = join(temporaryFolder(t), "s");
  const listener = UnixListener.listen(path);
  using client = await UnixSocket.connect(path);
  using server = listener.accept();
  listener.close();
  assert.ok(client.fd >= 0 && server);
  assert.equal(isListening(path), false);
});

test("reads the kernel's table", () => {
  const text = [
    "Num       RefCount Protocol Flags    Type St Inode Path",
    "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b.sock",
    "0000000000000000: 00000002 00000000 00010000 0001 01    17 @abstract",
    "0000000000000000: 00000003 00000000 00000000 0001 03 12346 /run/connected.sock",
    "ffff88810c0a8000: 00000002 00000000 00010000 0001 01 12347",
    "",
  ].join("\n");
  assert.deepEqual([...parseListeningPaths(text)], ["/run/a b.sock", "@abstract"]);
});
