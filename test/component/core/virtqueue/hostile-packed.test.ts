/** What is written to a packed ring by a driver that breaks its rules; numbers as for split rings. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { counted } from "../../../../src/core/base/index.ts";
import {
  DescriptorFlag,
  createDeviceQueue,
  createChainCursor,
  type ChainCursor,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { PAGE } from "../../support/memory.ts";
import {
  locateRing,
  type MadeRings,
  makeRingsOfFormat,
  type RingOptions,
} from "../../support/rings.ts";
import { assertInside } from "../../support/spans.ts";
import {
  type RawDescriptor,
  RawPackedRing,
  writeIndirectTable,
} from "../../../../src/lab/wire/index.ts";

const {
  Next: NEXT,
  Write: WRITE,
  Indirect: INDIRECT,
  Available: AVAILABLE,
  Used: USED,
} = DescriptorFlag;

guardLeaks();

interface Attack extends MadeRings {
  readonly raw: RawPackedRing;
  readonly chain: ChainCursor;
  /** Guest address of 4096 bytes that are there. */
  readonly good: number;
}

function attack(t: TestContext, options: RingOptions = {}): Attack {
  const rings = makeRingsOfFormat({ indirect: true, ...options, packed: true });
  t.after(() => {
    rings.table.close();
    rings.memory.close();
  });
  const good = rings.memory.allocate(PAGE).guestAddress;
  return { ...rings, raw: new RawPackedRing(rings.driver.raw), chain: createChainCursor(), good };
}

/** The chain is refused, for that reason, and the ring stays broken without a throw. */
function assertBreaks(on: Attack, reason: RegExp, section: string): void {
  const started = performance.now();
  assert.equal(on.device.next(on.chain), false);
  assert.ok(performance.now() - started < 1000, "bounded");
  assert.match(on.device.broken?.reason ?? "not broken", reason);
  assert.equal(on.device.broken?.section, section);
  on.raw.publish({ address: on.good, length: 1 });
  const fault = on.device.broken;
  for (let i = 0; i < 3; i += 1) assert.equal(on.device.next(on.chain), false);
  assert.equal(on.device.broken, fault, "the first reason stays");
  on.device.publish();
  on.device.disarm();
  on.device.arm();
  assert.equal(on.device.inFlight, 0);
}

/** The chain is taken as one that cannot be reached, and the ring goes on. */
function assertUnreachable(on: Attack, reason: RegExp, section: string): void {
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.match(on.chain.unreachable?.reason ?? "reachable", reason);
  assert.equal(on.chain.unreachable?.section, section);
  const { spans } = on.chain;
  let bytes = 0;
  for (let i = 0; i < spans.count; i += 1) {
    bytes += spans.lengths[i] ?? 0;
    assert.equal(spans.windows[i], undefined);
  }
  assert.equal(bytes, on.chain.readableBytes + on.chain.writableBytes);
  on.device.complete(on.chain.id, 0);
  on.device.publish();
  on.raw.publish({ address: on.good, length: 1 });
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.equal(on.chain.unreachable, undefined);
  assert.equal(on.device.broken, undefined);
}

/** Refused as the first chain of a ring, also where the lap ends in it. */
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
    assertBreaks(on, reason, section);
  }
}

for (const size of [1, 2, 7, 32768]) {
  test(`a chain that never ends is refused, size ${size} (hostile/1, 2; packed/16)`, (t) => {
    assertRefuses(
      t,
      ({ good }) =>
        Array.from({ length: size }, () => ({ address: good, length: 1, flags: NEXT | WRITE })),
      new RegExp(
        `at most ${counted(size, "descriptor")} available or in use, got more or a chain without end`,
      ),
      "2.8.17",
      { size, bytes: 2 ** 23, indirectSegments: 2 },
    );
  });
}

test("a chain of empty descriptors without end is refused (hostile/13)", (t) => {
  assertRefuses(
    t,
    () => Array.from({ length: 8 }, () => ({ address: 0, length: 0, flags: NEXT })),
    /without end/,
    "2.8.17",
  );
});

test("a chain that runs into descriptors in use is refused (hostile/7)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  on.raw.publish({ ...one, flags: NEXT }, one, { ...one, id: 1 });
  assert.ok(on.device.next(on.chain));
  assert.ok(on.device.next(on.chain));
  // Five are left; the sixth is the first one's, who has not got it back.
  on.raw.publish(...Array.from({ length: 6 }, (_, i) => ({ ...one, flags: i < 5 ? NEXT : 0 })));
  assert.equal(on.device.next(on.chain), false);
  assert.match(on.device.broken?.reason ?? "", /at most 8 descriptors available or in use/);
});

test("more chains than the ring has descriptors are refused (hostile/7)", (t) => {
  const on = attack(t);
  const one = { address: on.good, length: 1 };
  for (let lap = 0; lap < 2; lap += 1) on.raw.publish(...Array.from({ length: 8 }, () => one));
  // All of the second lap is there before anything of the first was given back.
  let taken = 0;
  while (on.device.next(on.chain)) taken += 1;
  assert.ok(taken <= 8);
  assert.ok(on.device.inFlight <= 8);
});

test("a lap in which the flags go backwards is no work, and no fault (hostile/8)", (t) => {
  const on = attack(t);
  const words = on.driver.raw.format === "packed" ? on.driver.raw.descriptors16 : undefined;
  assert.ok(words);
  const one = { address: on.good, length: 1 };
  on.raw.publish(one);
  assert.ok(on.device.next(on.chain));
  on.device.complete(on.chain.id, 0);
  on.device.publish();
  // Marked as used, as not available, as available in the other lap.
  for (const flags of [AVAILABLE | USED, 0, USED]) {
    words[15] = flags;
    assert.equal(on.device.next(on.chain), false);
    assert.equal(on.device.hasNext(), false);
    assert.equal(on.device.arm(), true);
  }
  assert.equal(on.device.broken, undefined);
  on.raw.publish(one);
  assert.ok(on.device.next(on.chain));
});

test("what was available when it was looked at is taken as it stands then, once (hostile/8)", (t) => {
  const on = attack(t);
  const words = on.driver.raw.format === "packed" ? on.driver.raw.descriptors16 : undefined;
  assert.ok(words);
  const one = { address: on.good, length: 1 };
  on.raw.publish(one, one);
  assert.ok(on.device.next(on.chain));
  words[15] = WRITE;
  assert.ok(on.device.next(on.chain));
  assert.equal(on.chain.writableBytes, 1);
  assert.equal(on.device.next(on.chain), false);
  assert.equal(on.device.inFlight, 2);
  assert.equal(on.device.broken, undefined);
});

const outside: readonly [name: string, address: (on: Attack) => number | bigint, length: number][] =
  [
    ["at 0 (hostile/9)", () => 0, 1],
    ["right behind memory", ({ table }) => table.regions[0]?.end ?? 0, 1],
    ["that wraps around 2^64 (hostile/10)", () => 0xffff_ffff_ffff_f000n, 0x2000],
    ["at 2^53", () => 2n ** 53n, 16],
    ["at the last byte of 64 bits", () => 2n ** 64n - 1n, 1],
    [
      "that runs into a hole (hostile/11)",
      ({ table }) => (table.regions[0]?.end ?? 0) - PAGE,
      PAGE + 1,
    ],
    ["of 4 GiB - 1 (hostile/12)", ({ good }) => good, 0xffff_ffff],
    ["in user addresses", ({ driver }) => driver.parts.descriptors.userAddress, 1],
  ];
for (const [name, address, length] of outside) {
  for (const flags of [0, WRITE]) {
    for (const table of [false, true]) {
      const where = `${flags ? "writable" : "readable"} buffer${table ? " of a table" : ""}`;
      test(`a ${where} ${name} makes its request unreachable`, (t) => {
        const memory = process.memoryUsage.rss();
        const on = attack(t);
        const at = address(on);
        const descriptor = { address: at, length, flags };
        on.raw.publish(
          table ? writeIndirectTable("packed", on.memory.allocate(16), [descriptor]) : descriptor,
        );
        const reason = new RegExp(
          `${counted(length, "byte")} at guest address 0x${at.toString(16)};`,
        );
        assertUnreachable(on, reason, "2.8.4");
        assert.ok(process.memoryUsage.rss() - memory < 2 ** 29);
      });
    }
  }
}

test("a descriptor of length 0 adds nothing, wherever it points (hostile/13)", (t) => {
  const on = attack(t);
  on.raw.publish(
    { address: 2n ** 64n - 1n, length: 0, flags: NEXT },
    { address: on.good, length: 4, flags: NEXT },
    { address: 0, length: 0, flags: NEXT | WRITE },
    { address: on.good, length: 0, flags: NEXT },
    { address: on.good, length: 4, flags: WRITE, id: 77 },
  );
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  const { spans, readableBytes, writableBytes } = on.chain;
  assert.deepEqual([spans.count, readableBytes, writableBytes], [2, 4, 4]);
});

test("a readable descriptor after a writable one is refused (hostile/14)", (t) => {
  const describe = ({ good }: Attack): RawDescriptor[] => [
    { address: good, length: 1, flags: NEXT },
    { address: good, length: 1, flags: WRITE | NEXT },
    { address: good, length: 1 },
  ];
  const reason = /readable descriptors before writable ones/;
  assertRefuses(t, describe, reason, "2.8.17");
  assertRefuses(
    t,
    (on) => [writeIndirectTable("packed", on.memory.allocate(64), describe(on))],
    reason,
    "2.8.17",
  );
});

test("an indirect table of a length that is no multiple of 16, or 0, is refused (hostile/16)", (t) => {
  for (const length of [0, 8, 15, 17, 24]) {
    const reason = new RegExp(`n \\* 16 bytes, got ${length}`);
    assertRefuses(t, ({ good }) => [{ address: good, length, flags: INDIRECT }], reason, "2.8.7");
  }
});

test("an indirect table outside of memory makes its request unreachable (hostile/16)", (t) => {
  for (const [address, length] of [
    [undefined, 0xffff_fff0],
    [0, 16],
    [2n ** 64n - 16n, 32],
  ] as const) {
    const on = attack(t);
    const table = { address: address ?? on.good, length, flags: INDIRECT };
    on.raw.publish(table);
    assertUnreachable(
      on,
      /expected an indirect table inside shared memory, got \d+ bytes at guest address/,
      "2.8.7",
    );
  }
});

test("flags other than WRITE mean nothing inside a table, so it cannot be nested (hostile/3, 17)", (t) => {
  const on = attack(t);
  const table = on.memory.allocate(64);
  const flags = 0xffff & ~WRITE;
  const self = { address: table.guestAddress, length: 16, flags };
  on.raw.publish(
    writeIndirectTable("packed", table, [self, { ...self, flags: flags | WRITE, id: 0xffff }]),
  );
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.deepEqual([on.chain.readableBytes, on.chain.writableBytes], [16, 16]);
});

for (const [name, describe] of [
  [
    "INDIRECT together with NEXT",
    (table: RawDescriptor) => [{ ...table, flags: INDIRECT | NEXT }, table],
  ],
  [
    "an indirect descriptor behind a direct one",
    (table: RawDescriptor) => [{ ...table, flags: NEXT }, table],
  ],
] as const) {
  test(`${name} is refused (hostile/18)`, (t) => {
    assertRefuses(
      t,
      ({ good }) => [...describe({ address: good, length: 16, flags: INDIRECT })],
      /an indirect descriptor in a chain of several/,
      "2.8.19",
    );
  });
}

test("an indirect descriptor without the feature is refused", (t) => {
  assertRefuses(
    t,
    ({ good }) => [{ address: good, length: 16, flags: INDIRECT }],
    /without VIRTIO_RING_F_INDIRECT_DESC/,
    "2.8.19",
    { indirect: false },
  );
});

test("undefined flags are ignored (hostile/19)", (t) => {
  const on = attack(t);
  const undefinedFlags = 0xffff & ~(NEXT | WRITE | INDIRECT | AVAILABLE | USED);
  on.raw.publish({ address: on.good, length: 4, flags: undefinedFlags });
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.deepEqual([on.chain.readableBytes, on.chain.writableBytes], [4, 0]);
});

test("an indirect table of 2048 entries that straddles regions is refused within bounds (hostile/23)", (t) => {
  const on = attack(t, { bytes: 2 ** 18, regions: 2 });
  const [first, second] = on.table.regions;
  assert.ok(first && second);
  const entries = Buffer.alloc(2048 * 16);
  for (let i = 0; i < 2048; i += 1) {
    entries.writeBigUInt64LE(BigInt(on.good), i * 16);
    entries.writeUInt32LE(1, i * 16 + 8);
  }
  const lay = (bytes: number): RawDescriptor => {
    const half = 1024 * 8 + 8;
    const left = first.view(first.end - first.start - half, half);
    left.window.bytes.set(entries.subarray(0, half), left.offset);
    second.view(0, bytes - half).window.bytes.set(entries.subarray(half, bytes), 0);
    return { address: first.end - half, length: bytes, flags: INDIRECT };
  };
  on.raw.publish(lay(1024 * 16));
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.equal(on.chain.readableBytes, 1024);
  on.device.complete(on.chain.id, 0);
  on.device.publish();
  on.raw.publish(lay(2048 * 16));
  assertBreaks(on, /at most 1024 descriptors in a table, got 2048/, "2.8.19");
});

test("the same buffer id twice is served twice (hostile/24)", (t) => {
  for (const inOrder of [false, true]) {
    const on = attack(t, { inOrder });
    const one = { address: on.good, length: 4, flags: WRITE, id: 0xbeef };
    on.raw.publish(one, one);
    const ids: number[] = [];
    while (on.device.next(on.chain)) ids.push(on.chain.id);
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) on.device.complete(id, 2);
    on.device.publish();
    const words = new Uint16Array(on.driver.parts.descriptors.bytes.slice().buffer);
    assert.deepEqual(
      [words[6], words[7], words[14], words[15]],
      [0xbeef, AVAILABLE | USED | WRITE, 0xbeef, AVAILABLE | USED | WRITE],
    );
    assert.equal(on.device.broken, undefined);
  }
});

test("what the driver does to used descriptors means nothing to the device (hostile/22)", (t) => {
  const on = attack(t, { size: 4 });
  const { bytes } = on.driver.parts.descriptors;
  for (let i = 0; i < 40; i += 1) {
    on.raw.publish({ address: on.good, length: 4, flags: WRITE, id: i });
    assert.ok(on.device.next(on.chain));
    bytes.fill(0xff);
    on.device.complete(on.chain.id, 3);
    on.device.publish();
    const at = (i % 4) * 16;
    assert.deepEqual([...bytes.subarray(at + 8, at + 14)], [3, 0, 0, 0, i, 0]);
    assert.equal(on.device.broken, undefined);
  }
});

test("event areas of any value cost at most notifications", (t) => {
  for (const eventIdx of [false, true]) {
    const on = attack(t, { eventIdx, size: 5 });
    const area = new Uint16Array(2);
    for (let i = 0; i < 3000; i += 1) {
      area.set([(i * 7919) & 0xffff, (i * 31) & 0xffff]);
      on.driver.parts.driver.bytes.set(new Uint8Array(area.buffer));
      on.driver.parts.device.bytes.fill(i & 0xff);
      on.raw.publish({ address: on.good, length: 4, id: i & 3 });
      assert.ok(on.device.next(on.chain));
      on.device.complete(on.chain.id, 0);
      on.device.publish();
      on.device.arm();
    }
    assert.equal(on.device.broken, undefined);
  }
});

test("a writable buffer over the ring itself does no harm outside of it (hostile/25)", (t) => {
  const on = attack(t);
  const { descriptors, driver, device } = on.driver.parts;
  on.raw.publish(
    { address: device.guestAddress, length: 4, flags: WRITE },
    { address: driver.guestAddress, length: 4, flags: WRITE },
    { address: descriptors.guestAddress, length: 128, flags: WRITE },
  );
  for (let i = 0; i < 3; i += 1) {
    if (!on.device.next(on.chain)) break;
    assertInside(on.chain, on.table);
    const offset = on.chain.spans.offsets[0] ?? 0;
    on.chain.spans.windows[0]?.bytes.fill(0xff, offset, offset + (on.chain.spans.lengths[0] ?? 0));
    on.device.complete(on.chain.id, 1);
    on.device.publish();
  }
  for (let i = 0; i < 20; i += 1) on.device.next(on.chain);
  assert.equal(on.device.inFlight, 0);
});

for (const eventIdx of [false, true]) {
  for (const inOrder of [false, true]) {
    const name = `${eventIdx ? "event index" : "flags"}${inOrder ? ", in order" : ""}`;
    test(`packed rings of random words never throw nor lead outside (${name})`, (t) => {
      const on = attack(t, { eventIdx, inOrder, regions: 2, bytes: 2 ** 16 });
      const features = { eventIdx, inOrder, indirect: true, packed: true };
      const ring = locateRing(on.table, on.driver);
      let state = 99;
      const random = (below: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
        return (state >>> 8) % below;
      };
      const { descriptors, descriptors16 } = on.driver.raw;
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
          const lap = random(4) === 0 ? USED : AVAILABLE;
          const at = i * 8 + 7;
          descriptors16[at] = ((descriptors16[at] ?? 0) & 7) | lap;
        }
        const base = (random(8) | 0x8000 | (random(8) << 16) | (random(2) << 31)) >>> 0;
        const device = createDeviceQueue({
          size: 8,
          memory: ring,
          space: on.table,
          features,
          base,
        });
        for (let i = 0; i < 40 && device.next(on.chain); i += 1) {
          assertInside(on.chain, on.table);
          if (on.chain.unreachable) broken.add(on.chain.unreachable.section);
          served += 1;
          device.complete(on.chain.id, 1);
        }
        if (device.broken) broken.add(device.broken.section);
        device.publish();
        device.arm();
      }
      assert.ok(served > 1000, `only ${served} chains were in order`);
      assert.ok(broken.size >= 4, [...broken].join());
    });
  }
}
