import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UsageError } from "../../../../../src/core/base/index.ts";
import {
  BlockDevice,
  BlockDriver,
  decodeBlockConfig,
} from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { ProtocolFeature } from "../../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../../support/session.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

const MIB = 1 << 20;

for (const workers of [false, true]) {
  test(`a disk grows and shrinks while it is used${workers ? ", in a worker" : ""}`, async (t) => {
    const path = join(temporaryFolder(t), "disk.img");
    writeFileSync(path, new Uint8Array(MIB));
    const storage = BlockStorage.open(path);
    t.after(() => storage.close());
    const served = await serveDisk(t, (options) => ({
      ...options,
      device: () => new BlockDevice({ storage }),
      rings: { workers },
    }));
    let changes = 0;
    const client = await connectDisk(t, served, { onConfigChange: () => (changes += 1) });
    const capacity = async (): Promise<bigint> =>
      decodeBlockConfig(await client.requests.getConfig(0, 60)).capacity * 512n;
    const driver = await BlockDriver.start(client, SMALL);
    await driver.write(0, pattern(1));
    assert.equal(storage.refresh(), false);

    truncateSync(path, 2 * MIB);
    assert.equal(storage.refresh(), true);
    await until(() => changes === 1, "the notification of the front-end");
    assert.equal(await capacity(), BigInt(2 * MIB));
    await until(() => driver.size === 2 * MIB, "the driver's new size");
    await driver.write(2 * MIB - 4096, pattern(2));
    assert.deepEqual(await driver.read(2 * MIB - 4096, 4096), pattern(2));
    const grown = await connectDisk(t, served);
    const second = await BlockDriver.start(grown, SMALL);
    assert.deepEqual(await driver.read(0, 4096), pattern(1), "what was there is still there");

    truncateSync(path, MIB / 2);
    assert.equal(storage.refresh(), true);
    await until(() => changes === 2, "the notification of the front-end");
    await until(() => driver.size === MIB / 2, "the driver's new size");
    await assert.rejects(driver.read(MIB - 4096, 4096), UsageError);
    assert.deepEqual(await second.read(0, 4096), pattern(1));
    assert.deepEqual(await driver.read(0, 4096), pattern(1));

    truncateSync(path, MIB / 2 + 1);
    assert.throws(() => storage.refresh(), UsageError);
    assert.equal(await capacity(), BigInt(MIB / 2));
    assert.deepEqual(served.problems, []);
  });
}

test("a resize that cannot be announced, as there is no back-end channel, is reported", async (t) => {
  const path = join(temporaryFolder(t), "disk.img");
  writeFileSync(path, new Uint8Array(MIB));
  const storage = BlockStorage.open(path);
  t.after(() => storage.close());
  const served = await serveDisk(t, (options) => ({
    ...options,
    device: () => new BlockDevice({ storage }),
    without: { protocol: ProtocolFeature.BackendReq },
  }));
  await BlockDriver.start(await connectDisk(t, served), SMALL);
  truncateSync(path, 2 * MIB);
  assert.equal(storage.refresh(), true);
  await until(() => served.problems.length > 0, "the report");
  assert.match(
    served.problems.map(({ message }) => message).join(),
    /^the new configuration cannot be announced: the front-end gave no back-end channel \(VHOST_USER_SET_BACKEND_REQ_FD\); it sees the change when it connects again$/,
  );
});
