import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueError, UsageError } from "../../../../src/core/base/index.ts";
import {
  DescriptorFlag,
  type ChainCursor,
  createChainCursor,
  SegmentList,
  SplitDeviceQueue,
  SplitDriverQueue,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeRegion, PAGE } from "../../support/memory.ts";
import { locateRing, makeRings, type Rings, segmentsOf } from "../../support/rings.ts";
import { linked, RawSplitRing, writeIndirectTable } from "../../../../src/lab/wire/index.ts";

const { Next: NEXT, Write: WRITE } = DescriptorFlag;

guardLeaks();

/** The readable bytes of a chain. */
function readable(chain: ChainCursor): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < chain.readableSpans; i += 1) {
    const offset = chain.spans.offsets[i] ?? 0;
    bytes.push(
      ...(chain.spans.windows[i]?.bytes.subarray(offset, offset + (chain.spans.lengths[i] ?? 0)) ??
        []),
    );
  }
  return bytes;
}

/** Fills the writable part with 1, 2, 3 …; returns its length. */
function fill(chain: ChainCursor): number {
  let value = 0;
  for (let i = chain.readableSpans; i < chain.spans.count; i += 1) {
    const offset = chain.spans.offsets[i] ?? 0;
    for (let at = 0; at < (chain.spans.lengths[i] ?? 0); at += 1) {
      const bytes = chain.spans.windows[i]?.bytes;
      if (bytes) bytes[offset + at] = value += 1;
    }
  }
  return value;
}

/** Completions as [token, written]. */
function collect(rings: Pick<Rings, "driver">, max = 1000): [number, number][] {
  const done: [number, number][] = [];
  rings.driver.poll((token, written) => done.push([token, written]), max);
  return done;
}

const variants = [false, true].flatMap((indirect) =>
  [false, true].map((eventIdx) => ({ indirect, eventIdx })),
);

for (const features of variants) {
  const name = `${features.indirect ? "indirect" : "direct"}, ${features.eventIdx ? "event index" : "flags"}`;

  test(`one request goes there and back (${name})`, (t) => {
    const rings = makeRings(t, features);
    const { driver, device, memory } = rings;
    const out = memory.allocate(4);
    const into = memory.allocate(4);
    out.bytes.set([9, 8, 7, 6]);
    const chain = createChainCursor();
    assert.equal(device.next(chain), false);
    assert.equal(
      driver.add(segmentsOf([out.guestAddress, 4], [into.guestAddress, 4]), 1, 77),
      true,
    );
    assert.equal(device.next(chain), false, "not visible before it is published");
    assert.equal(driver.publish(), true);
    assert.equal(driver.publish(), false, "nothing new");
    assert.equal(device.next(chain), true);
    assert.equal(device.inFlight, 1);
    assert.deepEqual([chain.readableBytes, chain.writableBytes], [4, 4]);
    assert.deepEqual(readable(chain), [9, 8, 7, 6]);
    assert.equal(device.next(createChainCursor()), false);
    assert.deepEqual(collect(rings), []);
    device.complete(chain.id, fill(chain));
    assert.deepEqual(collect(rings), [], "not visible before it is published");
    assert.equal(device.publish(), true);
    assert.equal(device.publish(), false, "nothing new");
    assert.equal(device.inFlight, 0);
    assert.deepEqual(collect(rings), [[77, 4]]);
    assert.deepEqual([...into.bytes], [1, 2, 3, 4]);
    assert.equal(driver.outstanding, 0);
    assert.deepEqual(device.state(), { size: 8, base: 1 });
    assert.equal(driver.base, 1);
  });

  test(`70,000 requests on a queue of 4 lose nothing (${name})`, (t) => {
    const { driver, device, memory } = makeRings(t, { ...features, size: 4 });
    const { guestAddress } = memory.allocate(64);
    const chain = createChainCursor();
    const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 8]);
    let token = 0;
    let finished = 0;
    const done = (given: number, written: number) => {
      assert.equal(given, finished);
      assert.equal(written, given % 9);
      finished += 1;
    };
    while (finished < 70_000) {
      while (token < 70_000 && driver.add(segments, 1, token)) token += 1;
      driver.publish();
      for (let order = finished; device.next(chain); order += 1)
        device.complete(chain.id, order % 9);
      device.publish();
      assert.ok(driver.poll(done, 4) > 0);
    }
    assert.equal(driver.outstanding, 0);
    assert.equal(driver.broken, undefined);
    assert.equal(device.broken, undefined);
    assert.equal(device.state().base, 70_000 & 0xffff);
    assert.equal(driver.raw.used16[1], 70_000 & 0xffff);
  });
}

test("a ring as full as it can be is served whole, and takes no more", (t) => {
  const rings = makeRings(t, { size: 8, indirect: true });
  const { driver, device, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 8]);
  for (let token = 0; token < 8; token += 1) assert.ok(driver.add(segments, 1, token));
  assert.equal(driver.add(segments, 1, 8), false);
  driver.publish();
  const chain = createChainCursor();
  const ids = new Set<number>();
  while (device.next(chain)) ids.add(chain.id);
  assert.equal(ids.size, 8);
  assert.equal(device.inFlight, 8);
  for (const id of ids) device.complete(id, 0);
  device.publish();
  assert.equal(collect(rings).length, 8);
  assert.ok(driver.add(segments, 1, 8));
});

test("chains that do not fit are refused whole, and fit once there is room", (t) => {
  const rings = makeRings(t, { size: 4 });
  const { driver, device, memory } = rings;
  const { guestAddress: a } = memory.allocate(64);
  const three = segmentsOf([a, 1], [a + 1, 1], [a + 2, 1]);
  assert.ok(driver.add(three, 3, 1));
  assert.equal(driver.add(three, 3, 2), false);
  assert.ok(driver.add(segmentsOf([a, 1]), 0, 3));
  assert.equal(driver.add(segmentsOf(), 0, 4), false, "no segments, no chain");
  driver.publish();
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.deepEqual([chain.readableSpans, chain.readableBytes, chain.writableBytes], [3, 3, 0]);
  device.complete(chain.id, 0);
  device.publish();
  assert.deepEqual(collect(rings), [[1, 0]]);
  assert.ok(driver.add(three, 0, 5), "its descriptors are free again");
});

test("a chain takes descriptors of the ring when it is too long for a table", (t) => {
  const { driver, device, memory } = makeRings(t, {
    size: 16,
    indirect: true,
    indirectSegments: 4,
  });
  const { guestAddress: a } = memory.allocate(64);
  const list = (count: number) =>
    segmentsOf(...Array.from({ length: count }, (_, i) => [a + i, 1] as const));
  const chain = createChainCursor();
  for (const count of [1, 2, 4, 5, 12]) {
    assert.ok(driver.add(list(count), 1, count), `${count} segments`);
    driver.publish();
    assert.ok(device.next(chain));
    const flags = driver.raw.descriptors16[chain.id * 8 + 6] ?? 0;
    assert.equal((flags & 4) !== 0, count > 1 && count <= 4, `${count} segments`);
    assert.equal(chain.spans.count, count);
    device.complete(chain.id, 0);
    device.publish();
    driver.poll(() => undefined, 1);
  }
});

test("requests complete in any order, each with its own token and length", (t) => {
  const rings = makeRings(t, { size: 8 });
  const { driver, device, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  for (let round = 0; round < 50; round += 1) {
    for (let token = 0; token < 4; token += 1) {
      driver.add(segmentsOf([guestAddress, 8], [guestAddress + 8, 32]), 1, 100 * round + token);
    }
    driver.publish();
    const chain = createChainCursor();
    const ids: number[] = [];
    while (device.next(chain)) ids.push(chain.id);
    for (const order of [2, 0, 3, 1]) device.complete(ids[order] ?? -1, order * 10);
    device.publish();
    assert.deepEqual(
      collect(rings),
      [2, 0, 3, 1].map((order) => [100 * round + order, order * 10]),
    );
  }
});

test("a head is used again right after it was completed", (t) => {
  const rings = makeRings(t, { size: 8 });
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
    collect(rings);
  }
  assert.equal(new Set(ids).size, 1);
});

test("completions are handed over in batches of the size that was asked for", (t) => {
  const rings = makeRings(t, { size: 8 });
  const { driver, device, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  for (let token = 0; token < 8; token += 1) driver.add(segmentsOf([guestAddress, 1]), 0, token);
  driver.publish();
  const chain = createChainCursor();
  while (device.next(chain)) device.complete(chain.id, 1);
  device.publish();
  assert.deepEqual(
    collect(rings, 3).map(([token]) => token),
    [0, 1, 2],
  );
  assert.equal(driver.outstanding, 5);
  assert.deepEqual(collect(rings, 0), []);
  assert.deepEqual(
    collect(rings, 100).map(([token]) => token),
    [3, 4, 5, 6, 7],
  );
});

test("more can be submitted from within a completion", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 2 });
  const segments = segmentsOf([memory.allocate(8).guestAddress, 8]);
  driver.add(segments, 1, 0);
  driver.add(segments, 1, 1);
  driver.publish();
  const chain = createChainCursor();
  while (device.next(chain)) device.complete(chain.id, 0);
  device.publish();
  const seen: number[] = [];
  const again = (token: number) => {
    seen.push(token);
    assert.ok(driver.add(segments, 1, token + 10));
    driver.publish();
  };
  assert.equal(driver.poll(again, 10), 2);
  assert.deepEqual(seen, [0, 1]);
  let served = 0;
  while (device.next(chain)) served += 1;
  assert.equal(served, 2);
});

test("a header in sixteen pieces comes as sixteen pieces, in order", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 32 });
  const buffer = memory.allocate(64);
  buffer.bytes.set(Array.from({ length: 16 }, (_, i) => i + 1));
  const pieces = Array.from({ length: 16 }, (_, i) => [buffer.guestAddress + i, 1] as const);
  driver.add(segmentsOf(...pieces, [buffer.guestAddress + 32, 1]), 16, 0);
  driver.publish();
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.equal(chain.readableSpans, 16);
  assert.deepEqual(
    readable(chain),
    Array.from({ length: 16 }, (_, i) => i + 1),
  );
  assert.equal(chain.writableBytes, 1);
});

test("descriptors in any order make a chain", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8 });
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
  assert.deepEqual(readable(chain), [1, 2, 3]);
  assert.equal(chain.writableBytes, 8);
});

test("a descriptor of length 0 adds nothing, wherever it points", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8 });
  const { guestAddress: a } = memory.allocate(64);
  const raw = new RawSplitRing(driver.raw);
  raw.put(
    0,
    ...linked([
      { address: 2n ** 64n - 1n, length: 0 },
      { address: a, length: 4 },
      { address: 0, length: 0, flags: WRITE },
      { address: a, length: 0 },
      { address: a, length: 4, flags: WRITE },
    ]),
  );
  raw.publish(0);
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.deepEqual([chain.spans.count, chain.readableBytes, chain.writableBytes], [2, 4, 4]);
});

test("undefined descriptor flags are ignored, and WRITE on an indirect descriptor is", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8, indirect: true });
  const { guestAddress: a } = memory.allocate(64);
  const raw = new RawSplitRing(driver.raw);
  const table = writeIndirectTable("split", memory.allocate(64), [
    { address: a, length: 4, flags: 0xfff8 },
  ]);
  raw.put(0, { ...table, flags: 0xfff8 | WRITE | 4 });
  raw.publish(0);
  const chain = createChainCursor();
  assert.ok(device.next(chain), device.broken?.reason);
  assert.deepEqual([chain.readableBytes, chain.writableBytes], [4, 0]);
});

for (const shift of [0, 8, 4, 1, 2, 15]) {
  test(`an indirect table may lie ${shift} bytes behind a multiple of 16`, (t) => {
    const { driver, device, memory } = makeRings(t, { size: 8, indirect: true });
    const { guestAddress: a, bytes } = memory.allocate(64);
    bytes.set([1, 2, 3, 4]);
    const raw = new RawSplitRing(driver.raw);
    const entries = linked([
      { address: a, length: 3 },
      { address: a + 3, length: 1 },
      { address: a + 32, length: 9, flags: WRITE },
    ]);
    raw.put(3, writeIndirectTable("split", memory.allocate(128), entries, shift));
    raw.publish(3);
    const chain = createChainCursor();
    assert.ok(device.next(chain));
    assert.deepEqual(readable(chain), [1, 2, 3, 4]);
    assert.equal(chain.writableBytes, 9);
  });
}

test("an indirect table is followed by next, not by place", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8, indirect: true });
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
  assert.deepEqual(readable(chain), [1, 2, 3]);
});

test("direct descriptors may end in one indirect descriptor", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8, indirect: true });
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
  assert.deepEqual(readable(chain), [1, 2, 3, 4]);
  assert.equal(chain.writableBytes, 5);
});

test("an indirect table of 1024 entries is served by a queue of 8", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8, indirect: true });
  const { guestAddress: a } = memory.allocate(2048);
  const raw = new RawSplitRing(driver.raw);
  const entries = linked(
    Array.from({ length: 1024 }, (_, i) => ({ address: a + i, length: 1, flags: WRITE })),
  );
  raw.put(0, writeIndirectTable("split", memory.allocate(16 * 1024), entries));
  raw.publish(0);
  const chain = createChainCursor();
  assert.ok(device.next(chain), device.broken?.reason);
  assert.equal(chain.writableBytes, 1024);
});

for (const cut of [16, 8, 4, 1]) {
  test(`an indirect table may straddle two regions, ${cut} bytes of a descriptor in the first`, (t) => {
    const { driver, device, memory, table } = makeRings(t, {
      size: 8,
      indirect: true,
      regions: 2,
      bytes: 2 ** 14,
    });
    const { guestAddress: a, bytes } = memory.allocate(64);
    bytes.set([1, 2, 3, 4]);
    // The last bytes of the first region and the first ones of the second.
    const [first, second] = table.regions;
    assert.ok(first && second && first.end === second.start);
    const entries = linked([
      { address: a, length: 2 },
      { address: a + 2, length: 2 },
      { address: a + 32, length: 8, flags: WRITE },
    ]);
    const whole = memory.allocate(48);
    writeIndirectTable("split", whole, entries);
    const split = 16 + cut;
    const left = first.view(first.end - first.start - split, split);
    left.window.bytes.set(whole.bytes.subarray(0, split), left.offset);
    second.view(0, 48).window.bytes.set(whole.bytes.subarray(split), 0);
    const raw = new RawSplitRing(driver.raw);
    raw.put(0, { address: first.end - split, length: 48, flags: 4 });
    raw.publish(0);
    const chain = createChainCursor();
    assert.ok(device.next(chain), device.broken?.reason);
    assert.deepEqual(readable(chain), [1, 2, 3, 4]);
    assert.equal(chain.writableBytes, 8);
  });
}

test("an indirect table may straddle guest address 2^32", (t) => {
  const { driver, device, memory, table } = makeRings(t, { size: 8, indirect: true });
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
  // The first entry in front of the border; the others behind it, where the ring's own table is.
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
  assert.deepEqual(readable(chain), [1, 2, 3, 4]);
  assert.equal(chain.writableBytes, 8);
});

test("the device never writes descriptors, the available ring or readable buffers", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 8, eventIdx: true });
  const out = memory.allocate(16);
  out.bytes.fill(0x5a);
  const into = memory.allocate(16);
  for (let i = 0; i < 4; i += 1)
    driver.add(segmentsOf([out.guestAddress, 16], [into.guestAddress, 16]), 1, i);
  driver.publish();
  const before = [driver.parts.descriptors, driver.parts.driver, out].map(({ bytes }) =>
    bytes.slice(),
  );
  const chain = createChainCursor();
  while (device.next(chain)) device.complete(chain.id, fill(chain));
  device.publish();
  device.arm();
  device.disarm();
  const after = [driver.parts.descriptors, driver.parts.driver, out].map(({ bytes }) =>
    bytes.slice(),
  );
  assert.deepEqual(after, before);
});

test("id and length of a completion stand in the ring before the index moves", (t) => {
  const { driver, device, memory } = makeRings(t, { size: 4 });
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

test("a device half that starts again goes on where the ring stands", (t) => {
  const rings = makeRings(t, { size: 4 });
  const { driver, memory } = rings;
  const { guestAddress } = memory.allocate(16);
  const chain = createChainCursor();
  let device = rings.device;
  for (let i = 0; i < 10; i += 1) {
    driver.add(segmentsOf([guestAddress, 16]), 0, i);
    driver.publish();
    assert.ok(device.next(chain));
    device.complete(chain.id, i);
    device.publish();
    assert.deepEqual(collect(rings), [[i, i]]);
    device = rings.restart(device.state().base);
  }
});

test("buffers across a window border of a large region come in two pieces", (t) => {
  // The ring lies at the end of the first window, its tables and buffers in the next.
  const { driver, device, memory, table } = makeRings(t, { bytes: 2 ** 31, size: 8 });
  const border = (table.regions[0]?.start ?? 0) + 2 ** 30;
  const raw = new RawSplitRing(driver.raw);
  raw.put(0, { address: border - 3, length: 10, flags: WRITE });
  raw.publish(0);
  const chain = createChainCursor();
  assert.ok(device.next(chain));
  assert.deepEqual([chain.spans.lengths[0], chain.spans.lengths[1]], [3, 7]);
  assert.equal(fill(chain), 10);
  memory.allocate(2 ** 30 - 2 ** 20);
  const view = table.regions[0]?.view(2 ** 30 - 3, 10);
  assert.deepEqual(
    [...(view?.window.bytes.subarray(view.offset, view.offset + 10) ?? [])],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
});

test("a ring may lie across a window border", (t) => {
  const size = 256;
  const { memory, table } = makeRings(t, { bytes: 2 ** 31, size: 8 });
  // One page in front of the border, so that the ring's parts lie before, across and behind it.
  memory.allocate(2 ** 30 - 2 ** 20);
  const region = table.regions[0];
  assert.ok(region);
  const part = (offset: number, length: number) => region.view(2 ** 30 + offset, length);
  const ring = {
    descriptors: part(-2048, 4096),
    driver: part(4096, 518),
    device: part(-4096, 2054),
  };
  const features = { eventIdx: true, indirect: false };
  assert.ok(ring.descriptors.window !== ring.driver.window);
  const device = new SplitDeviceQueue({ size, memory: ring, space: table, features, base: 0 });
  const raw = new RawSplitRing(device.raw);
  const { guestAddress } = memory.allocate(16);
  for (let i = 0; i < size; i += 1) raw.put(i, { address: guestAddress, length: 1, flags: WRITE });
  raw.publish(...Array.from({ length: size }, (_, i) => i));
  const chain = createChainCursor();
  for (let i = 0; i < size; i += 1) {
    assert.ok(device.next(chain), `${i}: ${device.broken?.reason}`);
    assert.equal(chain.id, i);
    device.complete(chain.id, 1);
  }
  device.publish();
  assert.equal(region.view(2 ** 30 - 4096 + 2, 1).window.u16[(2 ** 30 - 4096 + 2) / 2], size);
});

test("refuses sizes that no split queue has, and parts that are too short or not aligned", (t) => {
  const { memory, table, driver } = makeRings(t, { size: 8 });
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

test("rings of the smallest and the largest size work", (t) => {
  for (const size of [1, 32768]) {
    const rings = makeRings(t, { size, bytes: 2 ** 22 });
    const { driver, device, memory } = rings;
    const segments = new SegmentList(1);
    segments.push(memory.allocate(16).guestAddress, 16);
    const chain = createChainCursor();
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < size; i += 1) assert.ok(driver.add(segments, 0, i));
      assert.equal(driver.add(segments, 0, size), false);
      driver.publish();
      while (device.next(chain)) device.complete(chain.id, 1);
      device.publish();
      assert.equal(
        driver.poll(() => undefined, 2 ** 20),
        size,
      );
    }
    assert.equal(device.broken, undefined);
    assert.equal(driver.broken, undefined);
  }
});
