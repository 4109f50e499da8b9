/** What only a packed ring allows a driver to break; the rest is in ../hostile-driver.test.ts. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { counted } from "../../../../../src/core/base/index.ts";
import {
  type ChainCursor,
  createChainCursor,
  DescriptorFlag,
  type PackedRingWords,
} from "../../../../../src/core/virtqueue/index.ts";
import {
  type RawDescriptor,
  RawPackedRing,
  writeIndirectTable,
} from "../../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { nextBounded, takeAll } from "../../../support/bounded.ts";
import { PAGE } from "../../../support/memory.ts";
import { makeRings, type RingOptions, type Rings } from "../../../support/rings.ts";
import { assertInside } from "../../../support/spans.ts";

const { Next, Write, Indirect, Available, Used } = DescriptorFlag;

guardLeaks();

interface Attack extends Rings {
  readonly raw: RawPackedRing;
  readonly words: PackedRingWords;
  readonly chain: ChainCursor;
  /** Guest address of 4096 bytes of shared memory. */
  readonly good: number;
}

function attack(t: TestContext, options: RingOptions = {}): Attack {
  const rings = makeRings(t, { indirect: true, ...options, packed: true });
  const good = rings.memory.allocate(PAGE).guestAddress;
  const raw = new RawPackedRing(rings.driver.raw);
  return { ...rings, raw, words: raw.words, chain: createChainCursor(), good };
}

/** The descriptors are refused as the first ones of a ring, in any order and in order. */
function assertRefuses(
  t: TestContext,
  describe: (on: Attack) => readonly RawDescriptor[],
  reason: RegExp,
  section: string,
  options?: RingOptions,
): void {
  for (const inOrder of [false, true]) {
    const on = attack(t, { ...options, inOrder });
    on.raw.publish(...describe(on));
    assert.equal(nextBounded(on.device, on.chain), false);
    assert.match(on.device.broken?.reason ?? "not broken", reason);
    assert.equal(on.device.broken?.section, section);
    assert.equal(on.device.inFlight, 0);
  }
}

for (const size of [1, 2, 7, 32768]) {
  test(`a chain that never ends is refused, size ${size} (hostile/1, 2; packed/16)`, (t) => {
    const endless = ({ good }: Attack): RawDescriptor[] =>
      Array.from({ length: size }, () => ({ address: good, length: 1, flags: Next | Write }));
    const reason = new RegExp(
      `at most ${counted(size, "descriptor")} .*, got more or a chain without end`,
    );
    assertRefuses(t, endless, reason, "2.8.17", { size, bytes: 2 ** 23, indirectSegments: 2 });
  });
}

test("a chain of empty descriptors without end is refused (hostile/13)", (t) => {
  const empty = { address: 0, length: 0, flags: Next };
  assertRefuses(t, () => Array.from({ length: 8 }, () => empty), /without end/, "2.8.17");
});

test("a chain that runs into descriptors in flight is refused (hostile/7)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  on.raw.publish({ ...one, flags: Next }, one, { ...one, id: 1 });
  assert.ok(on.device.next(on.chain));
  assert.ok(on.device.next(on.chain));
  // Five are left; the sixth belongs to the first chain, which the device has not completed.
  on.raw.publish(...Array.from({ length: 6 }, (_, i) => ({ ...one, flags: i < 5 ? Next : 0 })));
  assert.equal(on.device.next(on.chain), false);
  assert.match(on.device.broken?.reason ?? "", /at most 8 descriptors /);
});

test("more chains than the ring has descriptors are refused (hostile/7)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  // The second round is available before anything of the first completes.
  for (let round = 0; round < 2; round += 1)
    on.raw.publish(...Array.from({ length: 8 }, () => one));
  takeAll(on.device, on.chain, () => undefined);
  assert.ok(on.device.inFlight <= 8);
});

test("flags of another wrap counter make nothing available, and are not a fault (hostile/8)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  on.raw.publish(one);
  assert.ok(on.device.next(on.chain));
  on.device.complete(on.chain.id, 0);
  on.device.publish();
  // Marked as used, as not available, as available with the other wrap counter.
  for (const flags of [Available | Used, 0, Used]) {
    on.words.descriptors16[15] = flags;
    assert.equal(on.device.next(on.chain), false);
    assert.equal(on.device.hasNext(), false);
    assert.equal(on.device.enableNotifications(), true);
  }
  assert.equal(on.device.broken, undefined);
  on.raw.publish(one);
  assert.ok(on.device.next(on.chain));
});

test("a descriptor that was available is taken once, as it is read then (hostile/8)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  on.raw.publish(one, one);
  assert.ok(on.device.next(on.chain));
  on.words.descriptors16[15] = Write;
  assert.ok(on.device.next(on.chain));
  assert.equal(on.chain.writableBytes, 1);
  assert.equal(on.device.next(on.chain), false);
  assert.equal(on.device.inFlight, 2);
  assert.equal(on.device.broken, undefined);
});

test("flags other than WRITE mean nothing inside a table, so it cannot be nested (hostile/3, 17)", (t) => {
  const on = attack(t);
  const table = on.memory.allocate(64);
  const flags = 0xffff & ~Write;
  const self = { address: table.guestAddress, length: 16, flags };
  on.raw.publish(
    writeIndirectTable("packed", table, [self, { ...self, flags: flags | Write, id: 0xffff }]),
  );
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.deepEqual([on.chain.readableBytes, on.chain.writableBytes], [16, 16]);
});

test("an indirect descriptor behind a direct one is refused (hostile/18)", (t) => {
  const chain = ({ good }: Attack): RawDescriptor[] => {
    const table = { address: good, length: 16, flags: Indirect };
    return [{ ...table, flags: Next }, table];
  };
  assertRefuses(t, chain, /an indirect descriptor in a chain of several/, "2.8.19");
});

test("the same buffer id twice is served twice (hostile/24)", (t) => {
  for (const inOrder of [false, true]) {
    const on = attack(t, { inOrder });
    const one = { address: on.good, length: 4, flags: Write, id: 0xbeef };
    on.raw.publish(one, one);
    const ids: number[] = [];
    takeAll(on.device, on.chain, () => void ids.push(on.chain.id));
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) on.device.complete(id, 2);
    on.device.publish();
    const words = on.words.descriptors16;
    const flags = Available | Used | Write;
    assert.deepEqual([words[6], words[7], words[14], words[15]], [0xbeef, flags, 0xbeef, flags]);
    assert.equal(on.device.broken, undefined);
  }
});

test("the device reads nothing of used descriptors once it runs (hostile/22)", (t) => {
  const on = attack(t, { size: 4 });
  const { bytes } = on.driver.parts.descriptors;
  for (let i = 0; i < 40; i += 1) {
    on.raw.publish({ address: on.good, length: 4, flags: Write, id: i });
    assert.ok(on.device.next(on.chain));
    bytes.fill(0xff);
    on.device.complete(on.chain.id, 3);
    on.device.publish();
    const at = (i % 4) * 16;
    assert.deepEqual([...bytes.subarray(at + 8, at + 14)], [3, 0, 0, 0, i, 0]);
    assert.equal(on.device.broken, undefined);
  }
});

for (const eventIdx of [false, true]) {
  for (const inOrder of [false, true]) {
    const name = `${eventIdx ? "event index" : "flags"}${inOrder ? ", in order" : ""}`;
    test(`packed rings of random words never throw nor lead outside (${name})`, (t) => {
      const on = attack(t, { eventIdx, inOrder, regions: 2, bytes: 2 ** 16 });
      let seed = 99;
      const random = (below: number) => {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
        return (seed >>> 8) % below;
      };
      const { descriptors, descriptors16 } = on.words;
      const start = on.table.regions[0]?.start ?? 0;
      let served = 0;
      const broken = new Set<string>();
      for (let round = 0; round < 20_000; round += 1) {
        const entry = random(8) * 4;
        const address = start + random(2 ** 17);
        descriptors[entry] = random(8) === 0 ? random(2 ** 24) * 256 : address % 2 ** 32;
        descriptors[entry + 1] = random(16) === 0 ? random(2 ** 24) : Math.floor(address / 2 ** 32);
        descriptors[entry + 2] = random(4) === 0 ? 16 * random(300) : random(2 ** 14);
        descriptors[entry + 3] = random(9) | (random(8) << 16);
        for (let i = 0; i < 8; i += 1) {
          const wrap = random(4) === 0 ? Used : Available;
          const at = i * 8 + 7;
          descriptors16[at] = ((descriptors16[at] ?? 0) & 7) | wrap;
        }
        const base = (random(8) | 0x8000 | (random(8) << 16) | (random(2) << 31)) >>> 0;
        const device = on.restart(base);
        for (let i = 0; i < 40 && nextBounded(device, on.chain); i += 1) {
          assertInside(on.chain, on.table);
          if (on.chain.unreachable) broken.add(on.chain.unreachable.section);
          served += 1;
          device.complete(on.chain.id, 1);
        }
        if (device.broken) broken.add(device.broken.section);
        device.publish();
        device.enableNotifications();
      }
      assert.ok(served > 1000, `only ${served} chains were in order`);
      assert.ok(broken.size >= 4, [...broken].join());
    });
  }
}
