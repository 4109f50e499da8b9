import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  BlockDevice,
  BlockFeature,
  decodeBlockConfig,
} from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

function makeDevice(
  t: TestContext,
  options: { queues?: number; readOnly?: boolean } = {},
): BlockDevice {
  const storage = BlockStorage.memory(1 << 20, options);
  t.after(() => storage.close());
  return new BlockDevice({ storage, ...options });
}

function configOf(device: BlockDevice): Uint8Array {
  const bytes = new Uint8Array(capability(device, "config").size);
  capability(device, "config").read(0, bytes);
  return bytes;
}

test("the configuration space has the disk's size and queues", (t) => {
  const config = decodeBlockConfig(configOf(makeDevice(t, { queues: 3 })));
  assert.equal(config.capacity, 2048n);
  assert.equal(config.numQueues, 3);
  assert.equal(config.blkSize, 512);
  assert.ok(config.segMax > 0);
});

test("the configuration space has the limits of discard and write zeroes where those are offered", (t) => {
  const device = makeDevice(t);
  const config = decodeBlockConfig(configOf(device));
  assert.equal(device.features & BlockFeature.Discard, BlockFeature.Discard);
  assert.equal(device.features & BlockFeature.WriteZeroes, BlockFeature.WriteZeroes);
  assert.ok(config.maxDiscardSectors > 0 && config.maxDiscardSeg > 0);
  assert.ok(config.maxWriteZeroesSectors > 0 && config.maxWriteZeroesSeg > 0);
});

test("topology is sane: the logical block is 512 and the physical one a power of two of it", (t) => {
  const config = decodeBlockConfig(configOf(makeDevice(t)));
  assert.equal(config.physicalBlockExp, 3);
  assert.equal(config.alignmentOffset, 0);
  assert.ok(config.minIoSize >= 1);
});

test("CONFIG_WCE is not offered, and the unused bytes are 0", (t) => {
  const device = makeDevice(t);
  assert.equal(device.features & BlockFeature.ConfigWce, 0n);
  const bytes = configOf(device);
  assert.deepEqual(
    [33, 57, 58, 59].map((at) => bytes[at]),
    [0, 0, 0, 0],
  );
});

test("any part of the configuration space is read by itself", (t) => {
  const device = makeDevice(t);
  const whole = configOf(device);
  for (const [offset, length] of [
    [0, 8],
    [20, 4],
    [34, 2],
    [59, 1],
  ] as const) {
    const part = new Uint8Array(length);
    capability(device, "config").read(offset, part);
    assert.deepEqual(part, whole.subarray(offset, offset + length));
  }
});

test("nothing of it may be changed; writing the value that is there is accepted", (t) => {
  const device = makeDevice(t);
  const before = configOf(device);
  for (const by of ["driver", "migration"] as const) {
    assert.equal(capability(device, "config").write(0, before, by), true);
    assert.equal(capability(device, "config").write(32, Uint8Array.of(1), by), false);
    assert.equal(capability(device, "config").write(0, Uint8Array.of(0xff), by), false);
  }
  assert.deepEqual(configOf(device), before);
});
