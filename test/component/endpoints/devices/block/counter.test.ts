import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
} from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { Client } from "../../../../../src/endpoints/frontend/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";

guardLeaks();

for (const workers of [false, true]) {
  test(`a block device counts each request once, workers: ${workers}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "vu-count-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const storage = BlockStorage.memory(1 << 20);
    t.after(() => storage.close());
    const device = new BlockDevice({ storage, queues: 2 });
    const path = join(folder, "s");
    const server = await BackendServer.listen(path, {
      device: () => device,
      rings: workers ? { workers: true, ringMode: "event" } : {},
    });
    t.after(() => server.close());
    const client = await Client.connect(path, { deviceFeatures: BLOCK_DRIVER_FEATURES });
    t.after(async () => client.close());
    const driver = await BlockDriver.start(client, { queues: 2, transferBytes: 4096 });
    assert.equal(device.requests, 0);
    await Promise.all(Array.from({ length: 50 }, async (_, i) => driver.read(i * 4096, 4096)));
    await driver.write(0, new Uint8Array(4096));
    assert.equal(device.requests, 51);
    await client.close();
  });
}
