/** What only packed rings have; the rest is in ../chains.test.ts and ../indirect-tables.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueError, UsageError } from "../../../../../src/core/base/index.ts";
import {
  createChainCursor,
  PackedDeviceQueue,
  PackedDriverQueue,
} from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { locateRing, segmentsOf } from "../../../support/rings.ts";
import { makePacked } from "../../../support/steps.ts";

guardLeaks();

test("sizes and areas that make no packed ring are refused", (t) => {
  const { memory, table, driver } = makePacked(t);
  const features = { eventIdx: false, indirect: false, packed: true };
  for (const size of [0, -1, 1.5, 32769, 65536, Number.NaN]) {
    assert.throws(() => new PackedDriverQueue({ size, memory, features }), UsageError);
  }
  const ring = locateRing(table, driver);
  const make = (parts: typeof ring, size = 8) =>
    new PackedDeviceQueue({ size, memory: parts, space: table, features, base: 0x8000_8000 });
  for (const size of [0, 32769]) assert.throws(() => make(ring, size), QueueError);
  for (const parts of [
    { ...ring, descriptors: { ...ring.descriptors, length: 127 } },
    { ...ring, driver: { ...ring.driver, length: 3 } },
    { ...ring, device: { ...ring.device, length: 3 } },
    { ...ring, descriptors: { ...ring.descriptors, offset: ring.descriptors.offset + 8 } },
    { ...ring, driver: { ...ring.driver, offset: ring.driver.offset + 2 } },
    { ...ring, device: { ...ring.device, offset: ring.device.offset + 1 } },
  ]) {
    assert.throws(() => make(parts), QueueError);
  }
});

test("a chain crosses the end of the ring; each descriptor has the flags of its own wrap counter (VIRTIO 2.8.1)", (t) => {
  const on = makePacked(t, { size: 5 });
  const { guestAddress: at } = on.memory.allocate(64);
  const three = segmentsOf([at, 1], [at + 1, 2], [at + 8, 4]);
  on.advance(4);
  assert.ok(on.driver.add(three, 2, 1));
  on.driver.publish();
  const flags = [4, 0, 1].map((i) => on.raw.descriptors16[i * 8 + 7]);
  // NEXT and available before the wrap, NEXT and available after it, WRITE.
  assert.deepEqual(flags, [0x0081, 0x8001, 0x8002]);
  const chain = createChainCursor();
  assert.ok(on.device.next(chain));
  assert.deepEqual([chain.readableBytes, chain.writableBytes], [3, 4]);
  on.device.complete(chain.id, 4);
  on.device.publish();
  assert.equal(
    on.raw.descriptors16[4 * 8 + 7],
    0x8082,
    "used with the wrap counter of its first descriptor",
  );
  assert.equal(on.collect(), 1);
  assert.equal(on.driver.base, 0x0002_0002);
});

test("the first descriptor of a batch is shown last, by either side", (t) => {
  const on = makePacked(t);
  const segments = segmentsOf([on.memory.allocate(8).guestAddress, 8]);
  const chain = createChainCursor();
  for (let i = 0; i < 3; i += 1) on.driver.add(segments, 1, i);
  const flagsAt = (i: number) => on.raw.descriptors16[i * 8 + 7] ?? -1;
  assert.deepEqual([0, 1, 2].map(flagsAt), [0, 0x80, 0x80]);
  assert.equal(on.device.hasNext(), false);
  on.driver.publish();
  assert.equal(flagsAt(0), 0x80);
  for (let i = 0; i < 3; i += 1) {
    assert.ok(on.device.next(chain));
    on.device.complete(chain.id, 0);
  }
  assert.deepEqual([0, 1, 2].map(flagsAt), [0x80, 0x8080, 0x8080]);
  assert.equal(on.collect(), 0);
  on.device.publish();
  assert.equal(on.collect(), 3);
});

test("the id of a chain is in its last descriptor, and a used descriptor has WRITE if something was written", (t) => {
  const on = makePacked(t, { size: 8 });
  const { guestAddress: at } = on.memory.allocate(64);
  on.driver.add(segmentsOf([at, 8]), 1, 0);
  on.driver.add(segmentsOf([at, 8], [at + 8, 8]), 1, 1);
  on.driver.publish();
  const id = on.raw.descriptors16[2 * 8 + 6];
  on.raw.descriptors16[1 * 8 + 6] = 0xffff;
  const chain = createChainCursor();
  for (const written of [0, 5]) {
    assert.ok(on.device.next(chain));
    on.device.complete(chain.id, written);
  }
  on.device.publish();
  assert.deepEqual([on.raw.descriptors16[7], on.raw.descriptors16[15]], [0x8080, 0x8082]);
  assert.equal(on.raw.descriptors16[1 * 8 + 6], id);
  const done: [number, number][] = [];
  on.driver.poll((token, written) => done.push([token, written]), 10);
  assert.deepEqual(done, [
    [0, 0],
    [1, 5],
  ]);
});
