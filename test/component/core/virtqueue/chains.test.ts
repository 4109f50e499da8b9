/** What both halves of a ring do with chains that keep the rules, in either format. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createChainCursor, SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { completions, fillWritable, readableBytes } from "../../support/chain-bytes.ts";
import { FORMATS, makeRings, segmentsOf } from "../../support/rings.ts";

guardLeaks();

const INDIRECT = 4;
const variants = FORMATS.flatMap((format) =>
  [false, true].flatMap((indirect) =>
    [false, true].map((eventIdx) => ({ ...format, indirect, eventIdx })),
  ),
);

for (const { name, ...features } of variants) {
  const variant = [
    name,
    features.indirect ? "indirect" : "direct",
    features.eventIdx ? "event index" : "flags",
  ].join(", ");

  test(`a request reaches the device and its data the driver (${variant})`, (t) => {
    const { driver, device, memory } = makeRings(t, features);
    const { base: first } = device.state();
    const out = memory.allocate(4);
    const into = memory.allocate(4);
    out.bytes.set([9, 8, 7, 6]);
    const chain = createChainCursor();
    assert.equal(device.next(chain), false);
    const segments = segmentsOf([out.guestAddress, 4], [into.guestAddress, 4]);
    assert.equal(driver.add(segments, 1, 77), true);
    assert.equal(device.next(chain), false, "not visible before it is published");
    assert.equal(driver.publish(), true);
    assert.equal(driver.publish(), false, "nothing new");
    assert.equal(device.next(chain), true);
    assert.equal(device.inFlight, 1);
    assert.deepEqual([chain.readableBytes, chain.writableBytes], [4, 4]);
    assert.deepEqual(readableBytes(chain), [9, 8, 7, 6]);
    assert.equal(device.next(createChainCursor()), false);
    assert.deepEqual(completions(driver), []);
    device.complete(chain.id, fillWritable(chain));
    assert.deepEqual(completions(driver), [], "not visible before it is published");
    assert.equal(device.publish(), true);
    assert.equal(device.publish(), false, "nothing new");
    assert.equal(device.inFlight, 0);
    assert.deepEqual(completions(driver), [[77, 4]]);
    assert.deepEqual([...into.bytes], [1, 2, 3, 4]);
    assert.equal(driver.outstanding, 0);
    assert.deepEqual(device.state(), { size: 8, base: driver.base });
    assert.notEqual(driver.base, first);
  });

  test(`70,000 requests on a queue of 4 lose nothing (${variant})`, (t) => {
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
    assert.equal(device.state().base, driver.base);
    if (name === "split") assert.equal(driver.base, 70_000 & 0xffff);
  });
}

for (const { name, packed } of FORMATS) {
  describe(`${name} rings`, () => {
    test("a full ring is served whole, and takes no more until then", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, indirect: true });
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
      assert.equal(completions(driver).length, 8);
      assert.ok(driver.add(segments, 1, 8));
    });

    test("chains that do not fit are refused whole, and fit once there is room", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, size: 4 });
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
      assert.deepEqual(completions(driver), [[1, 0]]);
      assert.ok(driver.add(three, 0, 5), "its descriptors are free again");
    });

    test("a chain that is too long for a table takes descriptors of the ring", (t) => {
      const size = 16;
      const options = { packed, size, indirect: true, indirectSegments: 4 };
      const { driver, device, memory } = makeRings(t, options);
      const { guestAddress: a } = memory.allocate(64);
      const list = (count: number) =>
        segmentsOf(...Array.from({ length: count }, (_, i) => [a + i, 1] as const));
      const chain = createChainCursor();
      let position = 0;
      for (const count of [1, 2, 4, 5, 12]) {
        assert.ok(driver.add(list(count), 1, count), `${count} segments`);
        driver.publish();
        assert.ok(device.next(chain));
        const flags = driver.raw.descriptors16[packed ? position * 8 + 7 : chain.id * 8 + 6] ?? 0;
        const hasTable = count > 1 && count <= 4;
        assert.equal((flags & INDIRECT) !== 0, hasTable, `${count} segments`);
        assert.equal(chain.spans.count, count);
        position = (position + (hasTable ? 1 : count)) % size;
        device.complete(chain.id, 0);
        device.publish();
        driver.poll(() => undefined, 1);
      }
    });

    test("requests complete in any order, each with its own token and length", (t) => {
      const { driver, device, memory } = makeRings(t, { packed });
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
          completions(driver),
          [2, 0, 3, 1].map((order) => [100 * round + order, order * 10]),
        );
      }
    });

    test("completions are taken in batches of the size that was asked for", (t) => {
      const { driver, device, memory } = makeRings(t, { packed });
      const { guestAddress } = memory.allocate(64);
      const one = segmentsOf([guestAddress, 1]);
      for (let token = 0; token < 8; token += 1) driver.add(one, 0, token);
      driver.publish();
      const chain = createChainCursor();
      while (device.next(chain)) device.complete(chain.id, 1);
      device.publish();
      const tokens = (max: number): number[] => completions(driver, max).map(([token]) => token);
      assert.deepEqual(tokens(3), [0, 1, 2]);
      assert.equal(driver.outstanding, 5);
      assert.deepEqual(tokens(0), []);
      assert.deepEqual(tokens(100), [3, 4, 5, 6, 7]);
    });

    test("more can be submitted from within a completion", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, size: 2 });
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

    test("a header in sixteen segments reaches the device in their order", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, size: 32 });
      const buffer = memory.allocate(64);
      const bytes = Array.from({ length: 16 }, (_, i) => i + 1);
      buffer.bytes.set(bytes);
      const segments = bytes.map((_, i) => [buffer.guestAddress + i, 1] as const);
      driver.add(segmentsOf(...segments, [buffer.guestAddress + 32, 1]), 16, 0);
      driver.publish();
      const chain = createChainCursor();
      assert.ok(device.next(chain));
      assert.equal(chain.readableSpans, 16);
      assert.deepEqual(readableBytes(chain), bytes);
      assert.equal(chain.writableBytes, 1);
    });

    test("the device writes neither the driver's area nor readable buffers", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, eventIdx: true });
      const out = memory.allocate(16);
      out.bytes.fill(0x5a);
      const into = memory.allocate(16);
      const segments = segmentsOf([out.guestAddress, 16], [into.guestAddress, 16]);
      for (let i = 0; i < 4; i += 1) driver.add(segments, 1, i);
      driver.publish();
      // A packed ring has used descriptors in the place of available ones.
      const kept = [driver.parts.driver, out, ...(packed ? [] : [driver.parts.descriptors])];
      const before = kept.map(({ bytes }) => bytes.slice());
      const chain = createChainCursor();
      while (device.next(chain)) device.complete(chain.id, fillWritable(chain));
      device.publish();
      device.enableNotifications();
      device.disableNotifications();
      const after = kept.map(({ bytes }) => bytes.slice());
      assert.deepEqual(after, before);
    });

    test("a device half that starts at the base of another one goes on from there", (t) => {
      const rings = makeRings(t, { packed, size: 4 });
      const { driver, memory } = rings;
      const { guestAddress } = memory.allocate(16);
      const chain = createChainCursor();
      let { device } = rings;
      for (let i = 0; i < 10; i += 1) {
        driver.add(segmentsOf([guestAddress, 16]), 0, i);
        driver.publish();
        assert.ok(device.next(chain));
        device.complete(chain.id, i);
        device.publish();
        assert.deepEqual(completions(driver), [[i, i]]);
        device = rings.restart(device.state().base);
      }
    });

    test("rings of any size work, from the smallest to the largest", (t) => {
      const sizes = packed ? [1, 2, 3, 7, 255, 1000, 32767, 32768] : [1, 2, 256, 32768];
      for (const size of sizes) {
        const { driver, device, memory } = makeRings(t, { packed, size, bytes: 2 ** 22 });
        const segments = new SegmentList(1);
        segments.push(memory.allocate(16).guestAddress, 16);
        const chain = createChainCursor();
        const goRound = (count: number): void => {
          for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, i));
          if (count === size) assert.equal(driver.add(segments, 0, size), false, "it is full");
          driver.publish();
          while (device.next(chain)) device.complete(chain.id, 1);
          device.publish();
          const taken = driver.poll(() => undefined, 2 ** 20);
          assert.equal(taken, count);
        };
        for (let round = 0; round < 3; round += 1) goRound(size);
        // Batches of sizes that do not divide the ring's.
        for (let i = 0; i < 50; i += 1) goRound(1 + (i % Math.min(size, 7)));
        assert.equal(device.broken, undefined);
        assert.equal(driver.broken, undefined);
        assert.equal(device.state().base, driver.base);
      }
    });
  });
}
