/** What is written to a packed ring by a device that breaks its rules. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  DescriptorFlag,
  createChainCursor,
  type PackedRingWords,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import {
  type MadeRings,
  makeRingsOfFormat,
  type RingOptions,
  segmentsOf,
} from "../../support/rings.ts";

const { Write: WRITE, Available: AVAILABLE, Used: USED } = DescriptorFlag;

guardLeaks();

interface Victim extends MadeRings {
  readonly raw: PackedRingWords;
  /** Writes a used descriptor where the next one belongs, and goes on by so many. */
  use(id: number, length: number, flags?: number, skip?: number): void;
  /** Completions as [token, written]. */
  poll(max?: number): [number, number][];
  /** Hands over requests of 8 readable and 16 writable bytes; tokens count up. */
  submit(count: number): void;
}

function victim(t: TestContext, options: RingOptions = {}): Victim {
  const rings = makeRingsOfFormat({ ...options, packed: true });
  const { memory, table, driver } = rings;
  t.after(() => {
    table.close();
    memory.close();
  });
  assert.ok(driver.raw.format === "packed");
  const { raw } = driver;
  const { guestAddress } = memory.allocate(64);
  const segments = segmentsOf([guestAddress, 8], [guestAddress + 8, 16]);
  let at = 0;
  let wrap = true;
  let token = 0;
  return {
    ...rings,
    raw,
    use(id, length, flags = WRITE, skip = 2) {
      raw.descriptors[at * 4 + 2] = length;
      raw.descriptors16[at * 8 + 6] = id;
      Atomics.store(raw.descriptors16, at * 8 + 7, flags | (wrap ? AVAILABLE | USED : 0));
      at += skip;
      if (at >= driver.size) {
        at -= driver.size;
        wrap = !wrap;
      }
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
  assert.equal(on.driver.broken?.section, "2.8.6");
  on.use(0, 0);
  assert.deepEqual(on.poll(), []);
  assert.equal(on.driver.add(segmentsOf([0, 1]), 1, 5), false);
  on.driver.publish();
  on.driver.arm();
  on.driver.disarm();
}

test("a used id that is none of the ring's breaks it", (t) => {
  for (const id of [8, 0x7fff, 0xffff]) {
    const on = victim(t);
    on.submit(1);
    on.use(id, 0);
    assertBroken(on, new RegExp(`id of an outstanding buffer in a used descriptor, got ${id}$`));
    assert.equal(on.driver.outstanding, 1);
  }
});

test("a used id that nothing has breaks the ring", (t) => {
  const on = victim(t);
  on.submit(1);
  on.use(1, 0);
  assertBroken(on, /used descriptor, got 1/);
});

test("a used id that comes twice breaks the ring, after the first was handed over", (t) => {
  const on = victim(t);
  on.submit(2);
  on.use(0, 16);
  on.use(0, 16);
  assert.deepEqual(on.poll(), [[0, 16]]);
  assertBroken(on, /used descriptor, got 0/);
});

test("the completion of a request that was not published breaks the ring", (t) => {
  const on = victim(t);
  on.submit(1);
  assert.ok(on.driver.add(segmentsOf([on.memory.allocate(8).guestAddress, 8]), 0, 9));
  on.use(1, 0);
  assertBroken(on, /used descriptor, got 1/);
});

test("used descriptors without any request mean nothing", (t) => {
  const on = victim(t);
  for (let i = 0; i < 40; i += 1) {
    on.use(i & 7, 5);
    assert.deepEqual(on.poll(), []);
    assert.equal(on.driver.arm(), true);
  }
  assert.equal(on.driver.broken, undefined);
});

test("a descriptor marked as used in another lap is no completion", (t) => {
  const on = victim(t);
  on.submit(2);
  for (const flags of [0, AVAILABLE, USED]) {
    Atomics.store(on.raw.descriptors16, 7, flags | WRITE);
    assert.deepEqual(on.poll(), []);
  }
  on.use(1, 16);
  on.use(0, 16);
  assert.deepEqual(on.poll(), [
    [1, 16],
    [0, 16],
  ]);
  assert.equal(on.driver.broken, undefined);
});

test("a used length above the writable bytes is cut to them and counted; without WRITE it is none", (t) => {
  const on = victim(t);
  on.submit(4);
  on.use(0, 17);
  on.use(2, 0xffff_ffff);
  on.use(1, 16);
  on.use(3, 12, 0);
  assert.deepEqual(on.poll(), [
    [0, 16],
    [2, 16],
    [1, 16],
    [3, 0],
  ]);
  assert.equal(on.driver.overlongCompletions, 2);
  assert.equal(on.driver.overlongLength, 0xffff_ffff);
  assert.equal(on.driver.broken, undefined);
});

for (const indirect of [false, true]) {
  for (const inOrder of [false, true]) {
    const name = `${indirect ? "indirect" : "direct"}${inOrder ? ", in order" : ""}`;
    test(`what a device scribbles over ring and tables is never read back (${name})`, (t) => {
      const on = victim(t, { indirect, inOrder, size: 8 });
      const { driver, raw } = on;
      const per = indirect ? 8 : 4;
      const step = indirect ? 1 : 2;
      let expected = 0;
      for (let round = 0; round < 100; round += 1) {
        on.submit(per);
        // The ids that a good device would give back, before it writes over all it can.
        const ids = Array.from(
          { length: per },
          (_, i) => raw.descriptors16[(i * step + step - 1) * 8 + 6] ?? -1,
        );
        driver.parts.descriptors.bytes.fill(round);
        driver.parts.device.bytes.fill(round);
        for (const id of inOrder ? ids : ids.toReversed()) on.use(id, 4, WRITE, step);
        const tokens = Array.from({ length: per }, (_, i) => expected + i);
        assert.deepEqual(
          on.poll().map(([token]) => token),
          inOrder ? tokens : tokens.toReversed(),
        );
        expected += per;
      }
      assert.equal(driver.broken, undefined);
      assert.equal(driver.outstanding, 0);
    });
  }
}

test("event areas of random values cost at most notifications", (t) => {
  for (const eventIdx of [false, true]) {
    const on = victim(t, { eventIdx, size: 7 });
    const chain = createChainCursor();
    const area = new Uint16Array(2);
    for (let i = 0; i < 2000; i += 1) {
      area.set([(i * 7919) & 0xffff, (i * 31) & 0xffff]);
      on.driver.parts.device.bytes.set(new Uint8Array(area.buffer));
      on.submit(1);
      assert.ok(on.device.next(chain));
      on.device.complete(chain.id, 0);
      on.device.publish();
      assert.equal(on.poll().length, 1);
    }
  }
});
