/** What only split rings have; the rest is in ../chains.test.ts and ../indirect-tables.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueError, UsageError } from "../../../../../src/core/base/index.ts";
import {
  createChainCursor,
  DescriptorFlag,
  SplitDeviceQueue,
  SplitDriverQueue,
} from "../../../../../src/core/virtqueue/index.ts";
import { linked, RawSplitRing, writeIndirectTable } from "../../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { completions, readableBytes } from "../../../support/chain-bytes.ts";
import { makeRegion, PAGE } from "../../../support/memory.ts";
import { locateRing, makeSplitRings, segmentsOf } from "../../../support/rings.ts";

const { Next: NEXT, Write: WRITE } = DescriptorFlag;

guardLeaks();

test("a head is used again right after it was completed", (t) => {
  const rings = makeSplitRings(t, { size: 8 });
  const { driver, device, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  const chain = createChainCursor();
  const ids: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    driver.add(segmentsOf([guestAddress, 1]), 0, i);
    driver.publish();
    device.next(chain);
    ids.push(chain.id);
    device.complete(chain.id, 1);
    device.publish();
    completions(driver);
  }
  assert.equal(new Set(ids).size, 1);
});

test("descriptors in any order make a chain", (t) => {
  const { driver, device, memory } = makeSplitRings(t, { size: 8 });
  const { guestAddress: a, bytes } = memory.allocate(64);
  bytes.set([1, 2, 3]);
  const raw = new RawSplitRing(driver.raw);
  raw.put(7, { address: a, length: 1, flags: NEXT, next: 2 });
  raw.put(2, { address: a + 1, length: 1, flags: NEXT, next: 5 });
  raw.put(5, { address: a + 2, length: 1, flags: NEXT, next: 0 });
  raw.put(0, { address: a + 8, length: 8, flags: WRITE, next: 3 });
  raw.publish(7);
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.equal(chain.id, 7);
  assert.deepEqual(readableBytes(chain), [1, 2, 3]);
  assert.equal(chain.writableBytes, 8);
});

test("an indirect table is followed by next, not by place", (t) => {
  const { driver, device, memory } = makeSplitRings(t, { size: 8, indirect: true });
  const { guestAddress: a, bytes } = memory.allocate(64);
  bytes.set([1, 2, 3]);
  const raw = new RawSplitRing(driver.raw);
  const table = writeIndirectTable("split", memory.allocate(64), [
    { address: a, length: 1, flags: NEXT, next: 2 },
    { address: a + 2, length: 1 },
    { address: a + 1, length: 1, flags: NEXT, next: 1 },
  ]);
  raw.put(0, table);
  raw.publish(0);
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.deepEqual(readableBytes(chain), [1, 2, 3]);
});

test("direct descriptors may end in one indirect descriptor", (t) => {
  const { driver, device, memory } = makeSplitRings(t, { size: 8, indirect: true });
  const { guestAddress: a, bytes } = memory.allocate(64);
  bytes.set([1, 2, 3, 4]);
  const raw = new RawSplitRing(driver.raw);
  const entries = linked([
    { address: a + 2, length: 2 },
    { address: a + 32, length: 5, flags: WRITE },
  ]);
  raw.put(4, { address: a, length: 1, flags: NEXT, next: 6 });
  raw.put(6, { address: a + 1, length: 1, flags: NEXT, next: 1 });
  raw.put(1, writeIndirectTable("split", memory.allocate(64), entries, 8));
  raw.publish(4);
  const chain = createChainCursor();
  assert.ok(device.next(chain), device.broken?.reason);
  assert.equal(chain.id, 4);
  assert.deepEqual(readableBytes(chain), [1, 2, 3, 4]);
  assert.equal(chain.writableBytes, 5);
});

test("an indirect table may straddle guest address 2^32", (t) => {
  const { driver, device, memory, table } = makeSplitRings(t, { size: 8, indirect: true });
  assert.equal(driver.parts.descriptors.guestAddress, 2 ** 32);
  const below = makeRegion(2 ** 32 - PAGE, PAGE, { userAddress: 0n });
  table.add(below);
  const { guestAddress: a, bytes } = memory.allocate(64);
  bytes.set([1, 2, 3, 4]);
  const entries = linked([
    { address: a, length: 2 },
    { address: a + 2, length: 2 },
    { address: a + 32, length: 8, flags: WRITE },
  ]);
  // The first entry in front of the border; the rest behind it, where the ring's own table is.
  const view = below.view(PAGE - 16, 16);
  const first = {
    bytes: view.window.bytes,
    address: 0,
    guestAddress: 0,
    userAddress: 0n,
    ringAddress: 0n,
    view,
  };
  writeIndirectTable("split", first, entries.slice(0, 1), view.offset);
  const raw = new RawSplitRing(driver.raw);
  raw.put(0, ...entries.slice(1));
  raw.put(7, { address: 2 ** 32 - 16, length: 48, flags: 4 });
  raw.publish(7);
  const chain = createChainCursor();
  assert.ok(device.next(chain), device.broken?.reason);
  assert.deepEqual(readableBytes(chain), [1, 2, 3, 4]);
  assert.equal(chain.writableBytes, 8);
});

test("id and length of a completion are in the ring before the index moves", (t) => {
  const { driver, device, memory } = makeSplitRings(t, { size: 4 });
  const { guestAddress } = memory.allocate(16);
  driver.add(segmentsOf([guestAddress, 16]), 0, 0);
  driver.publish();
  driver.raw.used32.fill(0xdead_beef, 1);
  const chain = createChainCursor();
  device.next(chain);
  device.complete(chain.id, 12);
  assert.deepEqual(
    [driver.raw.used16[1], driver.raw.used32[1], driver.raw.used32[2]],
    [0, chain.id, 12],
  );
  device.publish();
  assert.deepEqual(
    [driver.raw.used16[1], driver.raw.used32[1], driver.raw.used32[2]],
    [1, chain.id, 12],
  );
});

test("refuses sizes that no split queue has, and parts that are too short or not aligned", (t) => {
  const { memory, table, driver } = makeSplitRings(t, { size: 8 });
  const features = { eventIdx: false, indirect: false };
  for (const size of [0, 3, 6, 32769, 65536, -8, 1.5, Number.NaN]) {
    assert.throws(() => new SplitDriverQueue({ size, memory, features }), UsageError, String(size));
    const ring = locateRing(table, driver);
    assert.throws(
      () => new SplitDeviceQueue({ size, memory: ring, space: table, features, base: 0 }),
      QueueError,
      String(size),
    );
  }
  const ring = locateRing(table, driver);
  const wrong = [
    { ...ring, descriptors: { ...ring.descriptors, length: 127 } },
    { ...ring, driver: { ...ring.driver, length: 21 } },
    { ...ring, device: { ...ring.device, length: 69 } },
    { ...ring, descriptors: { ...ring.descriptors, offset: ring.descriptors.offset + 8 } },
    { ...ring, driver: { ...ring.driver, offset: ring.driver.offset + 1 } },
    { ...ring, device: { ...ring.device, offset: ring.device.offset + 2 } },
  ];
  for (const parts of wrong) {
    assert.throws(
      () => new SplitDeviceQueue({ size: 8, memory: parts, space: table, features, base: 0 }),
      QueueError,
    );
  }
});
