import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemoryView, Window } from "../../../../src/core/memory/index.ts";
import {
  isSplitQueueSize,
  SegmentList,
  splitRing,
  splitRingLayout,
} from "../../../../src/core/virtqueue/index.ts";

/** Memory that is nowhere shared. */
function plainView(offset: number, length: number): MemoryView {
  const buffer = new ArrayBuffer(4096);
  const window = { bytes: new Uint8Array(buffer) } as unknown as Window;
  return { window, offset, length };
}

test("a queue of q entries has parts of 16q, 6 + 2q and 6 + 8q bytes", () => {
  assert.deepEqual(splitRingLayout(256), {
    descriptors: { bytes: 4096, alignment: 16 },
    driver: { bytes: 518, alignment: 2 },
    device: { bytes: 2054, alignment: 4 },
  });
});

test("sizes are powers of two from 1 to 32768", () => {
  for (let power = 0; power <= 15; power += 1) assert.ok(isSplitQueueSize(2 ** power));
  for (const size of [0, -1, -8, 3, 5, 1.5, 65_535, 65_536, 2 ** 32, Number.NaN, Infinity]) {
    assert.equal(isSplitQueueSize(size), false, String(size));
  }
});

test("every word of a ring of 4 is where VIRTIO 2.7 puts it", () => {
  const memory = {
    descriptors: plainView(64, 64),
    driver: plainView(130, 14),
    device: plainView(256, 38),
  };
  const ring = splitRing(4, memory);
  const little = (view: MemoryView) => new DataView(view.window.bytes.buffer, view.offset);
  const descriptors = little(memory.descriptors);
  // The third descriptor: address, length, flags, next.
  descriptors.setBigUint64(32, 0x0102_0304_0506_0708n, true);
  descriptors.setUint32(40, 0x1112_1314, true);
  descriptors.setUint16(44, 0x2122, true);
  descriptors.setUint16(46, 0x3132, true);
  assert.deepEqual(
    [...ring.descriptors.subarray(8, 12)],
    [0x0506_0708, 0x0102_0304, 0x1112_1314, 0x3132_2122],
  );
  assert.deepEqual(
    [ring.descriptors16[2 * 8 + 6], ring.descriptors16[2 * 8 + 7]],
    [0x2122, 0x3132],
  );
  const driver = little(memory.driver);
  for (let i = 0; i < 7; i += 1) driver.setUint16(2 * i, 100 + i, true);
  assert.deepEqual([...ring.available], [100, 101, 102, 103, 104, 105, 106]);
  assert.equal(ring.available[ring.usedEventIndex], 106);
  const device = little(memory.device);
  device.setUint16(0, 1, true);
  device.setUint16(2, 2, true);
  // The last used element and the event behind it.
  device.setUint32(28, 77, true);
  device.setUint32(32, 88, true);
  device.setUint16(36, 99, true);
  assert.deepEqual([ring.used16[0], ring.used16[1]], [1, 2]);
  assert.deepEqual([ring.used32[1 + 2 * 3], ring.used32[2 + 2 * 3]], [77, 88]);
  assert.equal(ring.used16[ring.availEventIndex], 99);
  const lengths = [ring.descriptors, ring.available, ring.used16].map(
    ({ byteLength }) => byteLength,
  );
  assert.deepEqual(lengths, [64, 14, 38], "nothing beyond the parts");
});

test("a list of segments keeps what it was given up to its capacity", () => {
  const list = new SegmentList(2);
  list.push(2 ** 52 + 1, 0xffff_ffff);
  list.push(0, 1);
  assert.equal(list.count, 2);
  assert.deepEqual([...list.addresses], [2 ** 52 + 1, 0]);
  assert.deepEqual([...list.lengths], [0xffff_ffff, 1]);
  assert.throws(() => list.push(0, 1), RangeError);
  list.clear();
  list.push(5, 6);
  assert.deepEqual([list.count, list.addresses[0], list.lengths[0]], [1, 5, 6]);
});
