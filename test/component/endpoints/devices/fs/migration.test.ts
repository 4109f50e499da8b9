import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { FsDevice, FsDriver, SharedFolder } from "../../../../../src/endpoints/devices/fs/index.ts";
import { Client } from "../../../../../src/endpoints/frontend/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

async function serve(t: TestContext, folder: SharedFolder): Promise<string> {
  const path = join(temporaryFolder(t), "fs.sock");
  const server = await BackendServer.listen(path, { device: () => new FsDevice({ folder }) });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return path;
}

for (const packed of [false, true]) {
  test(`a file that is open is read on at the destination (${packed ? "packed" : "split"})`, async (t) => {
    const path = temporaryFolder(t);
    const content = randomBytes(900_000);
    writeFileSync(join(path, "big"), content);
    const folder = SharedFolder.open(path);
    t.after(() => folder.close());
    const [source, destination] = [await serve(t, folder), await serve(t, folder)];
    const client = await Client.connect(source, { packed, memory: { size: 8 << 20 } });
    t.after(() => client.close());
    const driver = await FsDriver.start(client, { transferBytes: 65_536 });
    const { nodeid } = await driver.lookup(1n, Buffer.from("big"));
    const file = await driver.open(nodeid);
    let going = true;
    let reads = 0;
    const reading = (async () => {
      for (let at = 0; going; at = (at + 65_536) % 851_968) {
        const chunk = await driver.read(file, BigInt(at), 65_536);
        assert.ok(content.subarray(at, at + 65_536).equals(chunk), `at ${at}`);
        reads += 1;
      }
    })();
    await until(() => reads > 5, "reads before");
    const report = await client.migrate(destination, { compare: true, stopAtPages: 0 });
    assert.deepEqual(report.missedPages, []);
    assert.ok((report.stateBytes ?? 0) > 0);
    const before = reads;
    await until(() => reads > before + 5, "reads after");
    going = false;
    await reading;
    await driver.release(file);
  });
}
