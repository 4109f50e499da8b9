import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { counted } from "../../../../src/core/base/index.ts";
import { MAX_SPANS, Region } from "../../../../src/core/memory/index.ts";
import {
  DescriptorFlag,
  type ChainCursor,
  createChainCursor,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { osModule } from "../../support/child.ts";
import { describeRegion, makeRegion, PAGE, unsealedFile } from "../../support/memory.ts";
import { makeRings, type RingOptions, type Rings } from "../../support/rings.ts";
import { assertInside } from "../../support/spans.ts";
import {
  linked,
  type RawDescriptor,
  RawSplitRing,
  writeIndirectTable,
} from "../../../../src/lab/wire/index.ts";

const { Next: NEXT, Write: WRITE, Indirect: INDIRECT } = DescriptorFlag;

guardLeaks();

interface Attack extends Rings {
  readonly raw: RawSplitRing;
  readonly chain: ChainCursor;
  /** Guest address of 4096 bytes that are there. */
  readonly good: number;
}

function attack(t: TestContext, options: RingOptions = {}): Attack {
  const rings = makeRings(t, { indirect: true, ...options });
  const good = rings.memory.allocate(PAGE).guestAddress;
  return { ...rings, raw: new RawSplitRing(rings.driver.raw), chain: createChainCursor(), good };
}

/** The chain is refused, for that reason, and the ring stays broken without a throw. */
function assertBreaks(on: Attack, reason: RegExp, section: string): void {
  const started = performance.now();
  assert.equal(on.device.next(on.chain), false);
  assert.ok(performance.now() - started < 1000, "bounded");
  assert.match(on.device.broken?.reason ?? "not broken", reason);
  assert.equal(on.device.broken?.section, section);
  on.raw.publish(0);
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
  on.raw.put(0, { address: on.good, length: 1 });
  on.raw.publish(0);
  assert.ok(on.device.next(on.chain), on.device.broken?.reason);
  assert.equal(on.chain.unreachable, undefined);
  assert.equal(on.device.broken, undefined);
}

/** Refused as the only chain of a fresh ring. */
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

test("a chain that leads to itself is refused (hostile/1)", (t) => {
  assertRefuses(
    t,
    ({ good }) => [{ address: good, length: 1, flags: NEXT, next: 0 }],
    /at most 1024 descriptors, got a longer one or a loop/,
    "2.7.5.2",
  );
});

test("a loop of empty descriptors is refused", (t) => {
  assertRefuses(t, () => [{ address: 0, length: 0, flags: NEXT, next: 0 }], /a loop/, "2.7.5.2");
});

test("a loop of two descriptors is refused, on the smallest and the largest queue (hostile/2)", (t) => {
  for (const size of [2, 32768]) {
    const options = { size, bytes: 2 ** 23, indirectSegments: 2 };
    assertRefuses(
      t,
      ({ good }) => [
        { address: good, length: 1, flags: NEXT | WRITE, next: 1 },
        { address: good, length: 1, flags: NEXT | WRITE, next: 0 },
      ],
      /a loop/,
      "2.7.5.2",
      { ...options },
    );
  }
});

for (const shift of [0, 1]) {
  test(`a loop inside an indirect table is refused, table shifted by ${shift} (hostile/3)`, (t) => {
    assertRefuses(
      t,
      ({ good, memory }) => [
        writeIndirectTable(
          "split",
          memory.allocate(64),
          [
            { address: good, length: 1, flags: NEXT, next: 1 },
            { address: good, length: 1, flags: NEXT, next: 0 },
          ],
          shift,
        ),
      ],
      /a loop/,
      "2.7.5.2",
    );
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
    const reason = new RegExp(`next below 8, got ${next}`);
    assertRefuses(
      t,
      ({ good }) => [{ address: good, length: 1, flags: NEXT, next }],
      reason,
      "2.7.5",
    );
  }
});

test("next outside of an indirect table is refused (hostile/6)", (t) => {
  for (const next of [2, 7, 0xffff]) {
    assertRefuses(
      t,
      ({ good, memory }) => [
        writeIndirectTable("split", memory.allocate(64), [
          { address: good, length: 1, flags: NEXT, next },
          { address: good, length: 1 },
        ]),
      ],
      new RegExp(`next below 2, got ${next}`),
      "2.7.5",
    );
  }
});

test("an available index that jumps by more than the queue is refused (hostile/7)", (t) => {
  for (const distance of [9, 30_000, 0x8000]) {
    const on = attack(t);
    on.raw.moveTo(on.raw.available + distance);
    assertBreaks(on, new RegExp(`at most 8 chains available or in use, got ${distance}`), "2.7.6");
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

test("more chains in use than the queue has entries are refused", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 1 });
  on.raw.publish(0, 0, 0, 0, 0, 0, 0, 0);
  for (let i = 0; i < 8; i += 1) assert.ok(on.device.next(on.chain));
  on.raw.publish(0);
  assert.equal(on.device.next(on.chain), false);
  assert.match(on.device.broken?.reason ?? "", /at most 8 chains available or in use, got 9/);
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
    test(`a ${flags ? "writable" : "readable"} buffer ${name} makes its request unreachable`, (t) => {
      const memory = process.memoryUsage.rss();
      const on = attack(t);
      const at = address(on);
      on.raw.put(0, { address: at, length, flags });
      on.raw.publish(0);
      const where = new RegExp(`${counted(length, "byte")} at guest address 0x${at.toString(16)};`);
      assertUnreachable(on, where, "2.7.5");
      assert.ok(process.memoryUsage.rss() - memory < 2 ** 29);
    });
  }
}

test("a buffer in a file's last page behind the region's end is unreachable", (t) => {
  const { chain, ...rings } = attack(t);
  rings.table.add(new Region(describeRegion(0x1000, 100, { userAddress: 0n }), unsealedFile(PAGE)));
  rings.raw.put(0, { address: 0x1000, length: 100 }, { address: 0x1000, length: 101 });
  rings.raw.publish(0, 1);
  assert.ok(rings.device.next(chain));
  const why = (): string => chain.unreachable?.reason ?? "reachable";
  assert.equal(why(), "reachable");
  assert.ok(rings.device.next(chain));
  assert.match(why(), /101 bytes at guest address 0x1000/);
});

test("a readable descriptor after a writable one is refused (hostile/14)", (t) => {
  const describe = ({ good }: Attack) =>
    linked([
      { address: good, length: 1 },
      { address: good, length: 1, flags: WRITE },
      { address: good, length: 1 },
    ]);
  assertRefuses(t, describe, /readable descriptors before writable ones/, "2.7.4.2");
  assertRefuses(
    t,
    (on) => [writeIndirectTable("split", on.memory.allocate(64), describe(on))],
    /readable/,
    "2.7.4.2",
  );
});

test("an indirect table of a length that is no multiple of 16, or 0, is refused (hostile/16)", (t) => {
  for (const length of [0, 8, 15, 17, 24]) {
    assertRefuses(
      t,
      ({ good }) => [{ address: good, length, flags: INDIRECT }],
      new RegExp(`n \\* 16 bytes, got ${length}`),
      "2.7.5.3",
    );
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
    on.raw.put(0, table);
    on.raw.publish(0);
    assertUnreachable(
      on,
      /expected an indirect table inside shared memory, got \d+ bytes at guest address/,
      "2.7.5.3",
    );
  }
});

test("an indirect table inside an indirect table is refused (hostile/17)", (t) => {
  assertRefuses(
    t,
    ({ good, memory }) => [
      writeIndirectTable("split", memory.allocate(64), [
        { address: good, length: 16, flags: INDIRECT },
      ]),
    ],
    /inside an indirect table/,
    "2.7.5.3.1",
  );
});

test("a table that names itself is refused", (t) => {
  assertRefuses(
    t,
    ({ memory }) => {
      const buffer = memory.allocate(64);
      return [
        writeIndirectTable("split", buffer, [
          { address: buffer.guestAddress, length: 16, flags: INDIRECT },
        ]),
      ];
    },
    /inside an indirect table/,
    "2.7.5.3.1",
  );
});

test("INDIRECT together with NEXT is refused (hostile/18)", (t) => {
  assertRefuses(
    t,
    ({ good }) => [{ address: good, length: 16, flags: INDIRECT | NEXT, next: 1 }],
    /both INDIRECT and NEXT/,
    "2.7.5.3.1",
  );
});

test("an indirect descriptor without the feature is refused", (t) => {
  assertRefuses(
    t,
    ({ good }) => [{ address: good, length: 16, flags: INDIRECT }],
    /without VIRTIO_RING_F_INDIRECT_DESC/,
    "2.7.5.3.1",
    { indirect: false },
  );
});

test("an indirect table of 2048 entries that straddles regions is refused within bounds (hostile/23)", (t) => {
  const on = attack(t, { bytes: 2 ** 18, regions: 2 });
  const [first, second] = on.table.regions;
  assert.ok(first && second);
  const entries = linked(Array.from({ length: 2048 }, () => ({ address: on.good, length: 1 })));
  const whole = new GuestBytes(2048 * 16);
  writeIndirectTable("split", whole, entries);
  const half = 1024 * 16 + 8;
  const left = first.view(first.end - first.start - half, half);
  left.window.bytes.set(whole.bytes.subarray(0, half), left.offset);
  second.view(0, 2048 * 16 - half).window.bytes.set(whole.bytes.subarray(half), 0);
  on.raw.put(0, { address: first.end - half, length: 2048 * 16, flags: INDIRECT });
  on.raw.publish(0);
  assertBreaks(on, /at most 1024 descriptors/, "2.7.5.2");
});

/** A buffer that is not in shared memory, to lay something out in. */
class GuestBytes {
  readonly bytes: Uint8Array;
  readonly address = 0;
  readonly guestAddress = 0;
  readonly userAddress = 0n;
  readonly ringAddress = 0n;
  readonly view = undefined as never;
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }
}

test("a chain of 1025 descriptors is refused on a small queue", (t) => {
  const entries = (good: number, count: number) =>
    linked(Array.from({ length: count }, () => ({ address: good, length: 1 })));
  assertRefuses(
    t,
    ({ good, memory }) => [
      writeIndirectTable("split", memory.allocate(1025 * 16), entries(good, 1025)),
    ],
    /at most 1024/,
    "2.7.5.2",
  );
});

test("a chain in more pieces than the list of pieces takes is refused", (t) => {
  const on = attack(t);
  for (let i = 0; i < 65; i += 1) on.table.add(makeRegion(i * PAGE, PAGE));
  const entries = linked(Array.from({ length: 1024 }, () => ({ address: 0, length: 65 * PAGE })));
  on.raw.put(0, writeIndirectTable("split", on.memory.allocate(1024 * 16), entries));
  on.raw.publish(0);
  assertBreaks(on, /at most 65536 pieces/, "2.7.5");
  assert.equal(on.chain.spans.offsets.length, MAX_SPANS);
});

test("a chain of more than 2^32 bytes is refused", (t) => {
  const on = attack(t, { bytes: 2 ** 25 });
  const entries = linked(
    Array.from({ length: 256 }, () => ({
      address: on.table.regions[0]?.start ?? 0,
      length: 2 ** 24,
    })),
  );
  const table = on.memory.allocate(257 * 16);
  on.raw.put(0, writeIndirectTable("split", table, entries));
  on.raw.publish(0);
  assert.ok(on.device.next(on.chain), "2^32 bytes are allowed");
  assert.equal(on.chain.readableBytes, 2 ** 32);
  const last = { address: on.good, length: 1 };
  on.raw.put(
    1,
    writeIndirectTable(
      "split",
      table,
      linked([...entries.map(({ address, length }) => ({ address, length })), last]),
    ),
  );
  on.raw.publish(1);
  assert.equal(on.device.next(on.chain), false);
  assert.match(on.device.broken?.reason ?? "", /at most 2\^32 bytes/);
});

test("the same head twice is served twice (hostile/24)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 4, flags: WRITE });
  on.raw.publish(0, 0);
  assert.ok(on.device.next(on.chain));
  assert.ok(on.device.next(on.chain));
  on.device.complete(0, 1);
  on.device.complete(0, 2);
  on.device.publish();
  assert.equal(on.device.broken, undefined);
  assert.equal(on.driver.raw.used16[1], 2);
});

test("the used ring means nothing to the device once it runs (hostile/22)", (t) => {
  const on = attack(t);
  on.raw.put(0, { address: on.good, length: 4, flags: WRITE });
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

test("a writable buffer over the ring itself does no harm outside of it (hostile/25)", (t) => {
  const on = attack(t);
  const { descriptors, driver, device } = on.driver.parts;
  on.raw.put(
    0,
    { address: device.guestAddress, length: 70, flags: WRITE },
    { address: driver.guestAddress, length: 22, flags: WRITE },
    { address: descriptors.guestAddress, length: 128, flags: WRITE },
  );
  on.raw.publish(0, 1, 2);
  for (let i = 0; i < 3; i += 1) {
    if (!on.device.next(on.chain)) break;
    assertInside(on.chain, on.table);
    const offset = on.chain.spans.offsets[0] ?? 0;
    on.chain.spans.windows[0]?.bytes.fill(0xff, offset, offset + (on.chain.spans.lengths[0] ?? 0));
    on.device.complete(on.chain.id, 1);
    on.device.publish();
  }
  for (let i = 0; i < 10; i += 1) on.device.next(on.chain);
  assert.ok(on.device.broken, "the available index became 65535");
});

for (const eventIdx of [false, true]) {
  test(`rings of random words never throw nor lead outside (${eventIdx ? "event index" : "flags"})`, (t) => {
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
      while (device.next(on.chain)) {
        assertInside(on.chain, on.table);
        served += 1;
        device.complete(on.chain.id, 1);
      }
      device.publish();
      device.arm();
    }
    assert.ok(served > 1000, `only ${served} chains were in order`);
  });
}

test("descriptors that change while they are read never lead outside (hostile/20, 21)", async (t) => {
  const on = attack(t, { regions: 2, bytes: 2 ** 16 });
  const table = on.memory.allocate(16 * 8);
  const start = on.table.regions[0]?.start ?? 0;
  for (let i = 0; i < 8; i += 1)
    on.raw.put(i, { address: on.good, length: 8, flags: NEXT, next: (i + 1) % 8 });
  const file = on.memory.regions[0];
  const { descriptors, driver } = on.driver.parts;
  const worker = new Worker(
    `const { workerData, parentPort } = require("node:worker_threads");
     import(workerData.os).then(({ Mapping }) => {
       const { fd, size, tables, ring, start } = workerData;
       const mapping = Mapping.map(fd, { offset: 0, length: size, writable: true });
       const words = new Uint32Array(mapping.buffer);
       const halves = new Uint16Array(mapping.buffer);
       const random = (below) => Math.floor(Math.random() * below);
       const values = [
         () => start % 2 ** 32 + random(2 ** 16), () => Math.floor(start / 2 ** 32), () => random(64) * 16,
         () => 0, () => 0xffffffff, () => random(8) | (random(10) << 16),
       ];
       parentPort.postMessage("ready");
       for (;;) {
         for (let i = 0; i < 256; i++) {
           const table = tables[random(2)];
           const field = random(4);
           const value = random(3) === 0 ? values[random(values.length)]() : values[[0, 1, 2, 5][field]]();
           words[table / 4 + random(8) * 4 + field] = value;
           halves[ring / 2 + 2 + random(8)] = random(9);
         }
       }
     });`,
    {
      eval: true,
      workerData: {
        os: osModule,
        fd: file?.fd.fd,
        size: file === undefined ? 0 : file.end - file.start,
        tables: [descriptors.guestAddress - start, table.guestAddress - start],
        ring: driver.guestAddress - start,
        start,
      },
    },
  );
  t.after(() => worker.terminate());
  await once(worker, "message");
  const reasons = new Set<string>();
  let served = 0;
  for (let round = 0; round < 100_000; round += 1) {
    const device = on.restart(round & 0xffff);
    Atomics.store(on.driver.raw.available, 1, round + 1);
    if (device.next(on.chain)) {
      assertInside(on.chain, on.table);
      served += 1;
    } else {
      reasons.add(device.broken?.section ?? "none");
    }
  }
  t.diagnostic(`${served} served; refused for ${[...reasons].sort().join(", ")}`);
  assert.ok(reasons.size >= 3, [...reasons].join());
});
