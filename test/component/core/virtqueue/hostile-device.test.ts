import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createChainCursor } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeRings, type RingOptions, type Rings, segmentsOf } from "../../support/rings.ts";

guardLeaks();

interface Victim extends Rings {
  /** Puts a used element into the ring and moves the index. */
  use(id: number, length: number): void;
  /** Completions as [token, written]. */
  poll(max?: number): [number, number][];
  /** Hands over requests of 8 readable and 16 writable bytes; tokens count up. */
  submit(count: number): void;
}

function victim(t: TestContext, options: RingOptions = {}): Victim {
  const rings = makeRings(t, options);
  const { driver, memory } = rings;
  const { guestAddress } = memory.allocate(64);
  const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 16]);
  let used = 0;
  let token = 0;
  return {
    ...rings,
    use(id, length) {
      const slot = 1 + 2 * (used % driver.size);
      driver.raw.used32[slot] = id;
      driver.raw.used32[slot + 1] = length;
      used = (used + 1) & 0xffff;
      Atomics.store(driver.raw.used16, 1, used);
    },
    poll(max = 100) {
      const done: [number, number][] = [];
      driver.poll((given, written) => done.push([given, written]), max);
      return done;
    },
    submit(count) {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 1, token++));
      driver.publish();
    },
  };
}

/** Nothing more is handed over or taken, nothing throws. */
function assertBroken(on: Victim, reason: RegExp): void {
  assert.deepEqual(on.poll(), []);
  assert.match(on.driver.broken?.reason ?? "not broken", reason);
  assert.equal(on.driver.broken?.section, "2.7.8");
  on.use(0, 0);
  assert.deepEqual(on.poll(), []);
  assert.equal(on.driver.add(segmentsOf([0, 1]), 1, 5), false);
  on.driver.publish();
  on.driver.arm();
  on.driver.disarm();
}

test("a used id outside of the table breaks the ring", (t) => {
  for (const id of [8, 0xffff, 0x1_0000, 0x8000_0000, 0xffff_ffff]) {
    const on = victim(t);
    on.submit(1);
    on.use(id, 0);
    assertBroken(on, new RegExp(`head of an outstanding chain as used id, got ${id}$`));
    assert.equal(on.driver.outstanding, 1);
  }
});

test("a used id that is no head breaks the ring", (t) => {
  const on = victim(t);
  on.submit(1);
  on.use(1, 0);
  assertBroken(on, /used id, got 1/);
});

test("a used id that was never made available breaks the ring", (t) => {
  const on = victim(t);
  on.submit(1);
  on.use(4, 0);
  assertBroken(on, /used id, got 4/);
});

test("a used id that comes twice breaks the ring, after the first was handed over", (t) => {
  const on = victim(t);
  on.submit(2);
  on.use(0, 16);
  on.use(0, 16);
  assert.deepEqual(on.poll(), [[0, 16]]);
  assertBroken(on, /used id, got 0/);
});

test("a completion without any request breaks the ring", (t) => {
  const on = victim(t);
  on.use(0, 0);
  assertBroken(on, /at most 0 completions, got 1/);
});

test("a used index that jumps breaks the ring before anything is handed over", (t) => {
  for (const distance of [3, 9, 0x8000]) {
    const on = victim(t);
    on.submit(2);
    Atomics.store(on.driver.raw.used16, 1, distance);
    assertBroken(on, new RegExp(`at most 2 completions, got ${distance}`));
  }
});

test("a used index that moves backwards breaks the ring", (t) => {
  const on = victim(t);
  on.submit(2);
  on.use(0, 0);
  assert.equal(on.poll().length, 1);
  Atomics.store(on.driver.raw.used16, 1, 0);
  assert.deepEqual(on.poll(), []);
  assert.match(on.driver.broken?.reason ?? "", /at most 1 completion, got 65535 \(used idx 0\)/);
});

test("completions of requests that were not published break the ring", (t) => {
  const on = victim(t);
  on.submit(1);
  assert.ok(on.driver.add(segmentsOf([on.memory.allocate(8).guestAddress, 8]), 0, 9));
  on.use(0, 0);
  on.use(2, 0);
  assertBroken(on, /at most 1 completion, got 2/);
});

test("a used length above the writable bytes is cut to them and counted", (t) => {
  const on = victim(t);
  on.submit(3);
  on.use(0, 17);
  on.use(2, 0xffff_ffff);
  on.use(4, 16);
  assert.deepEqual(on.poll(), [
    [0, 16],
    [1, 16],
    [2, 16],
  ]);
  assert.equal(on.driver.overlongCompletions, 2);
  assert.equal(on.driver.overlongLength, 0xffff_ffff);
  assert.equal(on.driver.broken, undefined);
});

test("a used length for a chain without writable bytes is cut to 0", (t) => {
  const on = victim(t);
  on.driver.add(segmentsOf([on.memory.allocate(8).guestAddress, 8]), 1, 3);
  on.driver.publish();
  on.use(0, 1);
  assert.deepEqual(on.poll(), [[3, 0]]);
  assert.equal(on.driver.overlongCompletions, 1);
});

for (const indirect of [false, true]) {
  test(`what a device scribbles over ring and tables is never read back (${indirect ? "indirect" : "direct"})`, (t) => {
    const on = victim(t, { indirect, size: 8 });
    const { driver, device } = on;
    const per = indirect ? 8 : 4;
    const chain = createChainCursor();
    let expected = 0;
    for (let round = 0; round < 100; round += 1) {
      on.submit(per);
      // Only the device's view of the ring is right; afterwards it writes over all it can.
      const heads: number[] = [];
      while (device.next(chain)) heads.push(chain.id);
      assert.equal(heads.length, per);
      assert.equal(new Set(heads).size, per);
      driver.parts.descriptors.bytes.fill(0xff);
      driver.raw.available.fill(0xffff, 2, 2 + driver.size);
      for (let i = 0; i < per; i += 1) device.complete(0, 0);
      for (const head of heads.toReversed()) on.use(head, 4);
      const done = on.poll();
      assert.deepEqual(
        done.map(([token]) => token),
        Array.from({ length: per }, (_, i) => expected + per - 1 - i),
      );
      expected += per;
    }
    assert.equal(driver.broken, undefined);
    assert.equal(driver.outstanding, 0);
  });
}

test("event fields and flags of random values cost at most notifications", (t) => {
  const on = victim(t, { eventIdx: true });
  const chain = createChainCursor();
  for (let i = 0; i < 2000; i += 1) {
    on.driver.raw.used16[on.driver.raw.availEventIndex] = (i * 7919) & 0xffff;
    on.driver.raw.used16[0] = (i * 31) & 0xffff;
    on.submit(1);
    assert.ok(on.device.next(chain));
    on.use(chain.id, 0);
    on.device.complete(chain.id, 0);
    assert.equal(on.poll().length, 1);
  }
});
