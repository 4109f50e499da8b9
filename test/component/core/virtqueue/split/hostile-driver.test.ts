/** What only a split ring allows a driver to break; the rest is in ../hostile-driver.test.ts. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  type ChainCursor,
  createChainCursor,
  DescriptorFlag,
} from "../../../../../src/core/virtqueue/index.ts";
import {
  type RawDescriptor,
  RawSplitRing,
  writeIndirectTable,
} from "../../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { nextBounded, takeAll } from "../../../support/bounded.ts";
import { PAGE } from "../../../support/memory.ts";
import { makeSplitRings, type RingOptions, type SplitRings } from "../../../support/rings.ts";
import { assertInside } from "../../../support/spans.ts";

const { Next, Write, Indirect } = DescriptorFlag;

guardLeaks();

interface Attack extends SplitRings {
  readonly raw: RawSplitRing;
  readonly chain: ChainCursor;
  /** Guest address of 4096 bytes of shared memory. */
  readonly good: number;
}

function attack(t: TestContext, options: RingOptions = {}): Attack {
  const rings = makeSplitRings(t, { indirect: true, ...options });
  const good = rings.memory.allocate(PAGE).guestAddress;
  return { ...rings, raw: new RawSplitRing(rings.driver.raw), chain: createChainCursor(), good };
}

function assertBreaks(on: Attack, reason: RegExp, section: string): void {
  assert.equal(nextBounded(on.device, on.chain), false);
  assert.match(on.device.broken?.reason ?? "not broken", reason);
  assert.equal(on.device.broken?.section, section);
  const fault = on.device.broken;
  on.raw.publish(0);
  assert.equal(on.device.next(on.chain), false);
  assert.equal(on.device.broken, fault, "the first reason stays");
  assert.equal(on.device.inFlight, 0);
}

/** The descriptors, whose first is the head, are refused as the only chain of a ring. */
function assertRefuses(
  t: TestContext,
  describe: (on: Attack) => readonly RawDescriptor[],
  reason: RegExp,
  section: string,
  options?: RingOptions,
): void {
  const on = attack(t, options);
  on.raw.put(0, ...describe(on));
  on.raw.publish(0);
  assertBreaks(on, reason, section);
}

const tableOf = ({ memory }: Attack, entries: readonly RawDescriptor[], shift = 0): RawDescriptor =>
  writeIndirectTable("split", memory.allocate(64), entries, shift);

test("a chain that leads to itself is refused (hostile/1)", (t) => {
  assertRefuses(
    t,
    ({ good }) => [{ address: good, length: 1, flags: Next, next: 0 }],
    /more than 1024 descriptors or is a loop/,
    "2.7.5.2",
  );
});

test("a loop of empty descriptors is refused (hostile/13)", (t) => {
  assertRefuses(t, () => [{ address: 0, length: 0, flags: Next, next: 0 }], /a loop/, "2.7.5.2");
});

test("a loop of two descriptors is refused, on the smallest and the largest queue (hostile/2)", (t) => {
  for (const size of [2, 32768]) {
    assertRefuses(
      t,
      ({ good }) => [
        { address: good, length: 1, flags: Next | Write, next: 1 },
        { address: good, length: 1, flags: Next | Write, next: 0 },
      ],
      /a loop/,
      "2.7.5.2",
      { size, bytes: 2 ** 23, indirectSegments: 2 },
    );
  }
});

for (const shift of [0, 1]) {
  test(`a loop inside an indirect table is refused, table shifted by ${shift} (hostile/3)`, (t) => {
    const loop = ({ good }: Attack): RawDescriptor[] => [
      { address: good, length: 1, flags: Next, next: 1 },
      { address: good, length: 1, flags: Next, next: 0 },
    ];
    assertRefuses(t, (on) => [tableOf(on, loop(on), shift)], /a loop/, "2.7.5.2");
  });
}

test("a head outside of the table is refused (hostile/4)", (t) => {
  for (const head of [8, 9, 0x7fff, 0xffff]) {
    const on = attack(t);
    on.raw.publish(head);
    assertBreaks(on, new RegExp(`chain ${head}: .*below 8, got ${head}`), "2.7.5");
  }
});

test("next outside of the table is refused (hostile/5)", (t) => {
  for (const next of [8, 0xffff]) {
    const chain = ({ good }: Attack) => [{ address: good, length: 1, flags: Next, next }];
    assertRefuses(t, chain, new RegExp(`next below 8, got ${next}`), "2.7.5");
  }
});

test("next outside of an indirect table is refused (hostile/6)", (t) => {
  for (const next of [2, 7, 0xffff]) {
    const entries = ({ good }: Attack): RawDescriptor[] => [
      { address: good, length: 1, flags: Next, next },
      { address: good, length: 1 },
    ];
    const reason = new RegExp(`next below 2, got ${next}`);
    assertRefuses(t, (on) => [tableOf(on, entries(on))], reason, "2.7.5");
  }
});

test("an available index that jumps by more than the queue is refused (hostile/7)", (t) => {
  for (const distance of [9, 30_000, 0x8000]) {
    const on = attack(t);
    on.raw.moveTo(on.raw.available + distance);
    assertBreaks(on, new RegExp(`at most 8 chains .*, got ${distance}`), "2.7.6");
  }
});

test("an available index that moves backwards is refused (hostile/8)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 1 });
  on.raw.publish(0);
  assert.ok(on.device.next(on.chain));
  on.device.complete(0, 0);
  on.device.publish();
  on.raw.moveTo(on.raw.available - 1);
  assertBreaks(on, /got 65535/, "2.7.6");
});

test("more chains in flight than the queue has entries are refused (hostile/7)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 1 });
  on.raw.publish(0, 0, 0, 0, 0, 0, 0, 0);
  for (let i = 0; i < 8; i += 1) assert.ok(on.device.next(on.chain));
  on.raw.publish(0);
  assert.equal(on.device.next(on.chain), false);
  assert.match(on.device.broken?.reason ?? "", /at most 8 chains .*, got 9/);
});

test("an indirect table inside an indirect table is refused, also one that names itself (hostile/17)", (t) => {
  const reason = /inside an indirect table/;
  assertRefuses(
    t,
    (on) => [tableOf(on, [{ address: on.good, length: 16, flags: Indirect }])],
    reason,
    "2.7.5.3.1",
  );
  const ofItself = ({ memory }: Attack): RawDescriptor[] => {
    const buffer = memory.allocate(64);
    const self = { address: buffer.guestAddress, length: 16, flags: Indirect };
    return [writeIndirectTable("split", buffer, [self])];
  };
  assertRefuses(t, ofItself, reason, "2.7.5.3.1");
});

test("the same head twice is served twice (hostile/24)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 4, flags: Write });
  on.raw.publish(0, 0);
  assert.ok(on.device.next(on.chain));
  assert.ok(on.device.next(on.chain));
  on.device.complete(0, 1);
  on.device.complete(0, 2);
  on.device.publish();
  assert.equal(on.device.broken, undefined);
  assert.equal(on.driver.raw.used16[1], 2);
});

test("the device reads nothing of the used ring once it runs (hostile/22)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 4, flags: Write });
  const { used32, used16 } = on.driver.raw;
  for (let i = 0; i < 20; i += 1) {
    used32.fill(0xffff_ffff);
    on.raw.publish(0);
    assert.ok(on.device.next(on.chain));
    on.device.complete(on.chain.id, 3);
    on.device.publish();
    assert.equal(used16[1], i + 1);
    assert.deepEqual([used32[1 + 2 * (i % 8)], used32[2 + 2 * (i % 8)]], [0, 3]);
  }
});

for (const eventIdx of [false, true]) {
  test(`split rings of random words never throw nor lead outside (${eventIdx ? "event index" : "flags"})`, (t) => {
    const on = attack(t, { eventIdx, regions: 2, bytes: 2 ** 16 });
    let seed = 99;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
      return (seed >>> 8) % below;
    };
    const { descriptors, available } = on.driver.raw;
    const start = on.table.regions[0]?.start ?? 0;
    let served = 0;
    for (let round = 0; round < 20_000; round += 1) {
      const entry = random(8) * 4;
      const address = start + random(2 ** 17);
      descriptors[entry] = random(8) === 0 ? random(2 ** 24) * 256 : address % 2 ** 32;
      descriptors[entry + 1] = random(16) === 0 ? random(2 ** 24) : Math.floor(address / 2 ** 32);
      descriptors[entry + 2] = random(4) === 0 ? 16 * random(300) : random(2 ** 14);
      descriptors[entry + 3] = random(8) | (random(9) << 16);
      available[2 + random(8)] = random(9);
      const device = on.restart(round & 0xffff);
      Atomics.store(available, 1, round + random(4));
      served += takeAll(device, on.chain, () => {
        assertInside(on.chain, on.table);
        device.complete(on.chain.id, 1);
      });
      device.publish();
      device.enableNotifications();
    }
    assert.ok(served > 1000, `only ${served} chains were in order`);
  });
}
