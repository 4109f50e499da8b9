import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { MemoryAccessError } from "../../../../src/core/base/index.ts";
import {
  Iotlb,
  RegionTable,
  type Region,
  Resolved,
  SpanList,
} from "../../../../src/core/memory/index.ts";
import { IotlbPermission } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeRegion, PAGE } from "../../support/memory.ts";

guardLeaks();

const { Read, Write, ReadWrite } = IotlbPermission;
/** User addresses of the regions that tests make. */
const USER = 2n ** 40n;
const page = (number: number): bigint => BigInt(number * PAGE);

interface Miss {
  readonly iova: number;
  readonly permissions: number;
  readonly answered: () => void;
}

/** An IOTLB over regions whose user addresses adjoin from USER on, and what it asked for. */
function makeIotlb(t: TestContext, ...regions: readonly Region[]) {
  const table = new RegionTable();
  t.after(() => table.close());
  table.replace(regions.length > 0 ? regions : [makeRegion(0, 16 * PAGE)]);
  const misses: Miss[] = [];
  const iotlb = new Iotlb(table, (iova, permissions, answered) =>
    misses.push({ iova, permissions, answered }),
  );
  return { iotlb, table, misses };
}

/** Lengths of the segments, or the other outcome. */
function look(iotlb: Iotlb, iova: bigint, length: number, write = false): number[] | string {
  const spans = new SpanList();
  const low = Number(iova & 0xffff_ffffn);
  const resolved = iotlb.resolve(low, Number(iova >> 32n), length, write, spans);
  if (resolved === Resolved.Miss) return "miss";
  if (resolved === Resolved.Fault) return "fault";
  return [...spans.lengths.subarray(0, spans.count)];
}

test("known translations are found, and the rest is requested", (t) => {
  const { iotlb, misses } = makeIotlb(t);
  iotlb.update(0x10_0000n, page(2), USER + page(3), ReadWrite);
  assert.deepEqual(look(iotlb, 0x10_0000n, 2 * PAGE, true), [2 * PAGE]);
  assert.equal(look(iotlb, 0x10_0000n - 1n, 1), "miss");
  assert.equal(look(iotlb, 0x10_0000n, 2 * PAGE + 1), "miss");
  assert.deepEqual(
    misses.map(({ iova, permissions }) => [iova, permissions]),
    [
      [0xf_ffff, Read],
      [0x10_2000, Read],
    ],
  );
  const { window, offset } = iotlb.locate(0x10_1000n, 8, Read) ?? {};
  assert.equal(offset, 4 * PAGE);
  window?.bytes.set([7], offset);
  assert.equal(iotlb.size, 1);
});

test("a page is asked for once until it is answered, however often it is looked at", (t) => {
  const { iotlb, misses } = makeIotlb(t);
  for (let i = 0; i < 1000; i += 1) look(iotlb, page(5) + BigInt(i), 1);
  assert.equal(misses.length, 1);
  look(iotlb, page(5), 1, true);
  assert.deepEqual([misses.length, misses[1]?.permissions], [2, Write]);
  misses[0]?.answered();
  look(iotlb, page(5), 1);
  look(iotlb, page(5), 1);
  assert.equal(misses.length, 3, "answered without an update: asked once more");
});

test("no number of pages makes it ask without end", (t) => {
  const { iotlb, misses } = makeIotlb(t);
  for (let i = 0; i < 100_000; i += 1) assert.equal(look(iotlb, page(i), 1), "miss");
  assert.equal(misses.length, 1024);
  for (const { answered } of misses) answered();
  look(iotlb, page(200_000), 1);
  assert.equal(misses.length, 1025);
});

test("an update adds permissions, one that leads elsewhere takes the place", (t) => {
  const { iotlb } = makeIotlb(t);
  iotlb.update(page(8), page(4), USER, Read);
  iotlb.update(page(9), page(1), USER + page(1), Write);
  assert.equal(look(iotlb, page(8), 1, true), "miss");
  assert.deepEqual(look(iotlb, page(9), PAGE, true), [PAGE]);
  assert.deepEqual(look(iotlb, page(8), 4 * PAGE), [PAGE, PAGE, 2 * PAGE]);
  assert.equal(iotlb.size, 3);
  iotlb.update(page(8), page(4), USER, Write);
  assert.equal(iotlb.size, 1, "all are alike again");
  iotlb.update(page(9), page(1), USER + page(7), Read);
  assert.equal(look(iotlb, page(9), 1, true), "miss");
  assert.deepEqual(look(iotlb, page(8), 3 * PAGE), [PAGE, PAGE, PAGE]);
});

test("a front-end that keeps answering without the permission has refused", (t) => {
  const { iotlb, misses } = makeIotlb(t);
  for (let i = 0; i < 4; i += 1) {
    assert.equal(look(iotlb, page(1), 1, true), "miss");
    iotlb.update(page(1), page(1), USER, Read);
  }
  assert.equal(look(iotlb, page(1), 1, true), "fault");
  assert.equal(misses.length, 4);
  assert.throws(
    () => iotlb.locate(page(1), 4, Write),
    /may not be written: the front-end does not/,
  );
  assert.deepEqual(look(iotlb, page(1), 1), [1], "reading is allowed all the same");
  iotlb.invalidate(page(1), page(1));
  assert.equal(look(iotlb, page(1), 1, true), "miss", "what comes afterwards may be allowed");
});

test("a translation goes on in a region that adjoins in user addresses, and ends where memory ends", (t) => {
  const { iotlb } = makeIotlb(
    t,
    makeRegion(0, PAGE),
    makeRegion(5 * PAGE, 2 * PAGE, { userAddress: USER + page(1) }),
  );
  iotlb.update(page(3), page(3), USER, ReadWrite);
  assert.deepEqual(look(iotlb, page(3) + 8n, 3 * PAGE - 8), [PAGE - 8, 2 * PAGE]);
  assert.throws(() => iotlb.locate(page(3), 2 * PAGE, Read), /contiguous in one memory region/);
  assert.throws(() => iotlb.update(page(9), page(4), USER, Read), /nothing is at 0x10000003000/);
  assert.equal(look(iotlb, page(9), 1), "miss");
});

test("an invalidation cuts exactly, and 0 at 0 is everything", (t) => {
  const { iotlb } = makeIotlb(t);
  iotlb.update(page(1), page(10), USER, ReadWrite);
  iotlb.invalidate(page(4) + 5n, 7n);
  assert.deepEqual(look(iotlb, page(1), 3 * PAGE + 5), [3 * PAGE + 5]);
  assert.equal(look(iotlb, page(4) + 5n, 1), "miss");
  assert.equal(look(iotlb, page(4) + 11n, 1), "miss");
  assert.deepEqual(look(iotlb, page(4) + 12n, 4), [4]);
  iotlb.invalidate(2n ** 64n - 1n, 2n ** 64n - 1n);
  assert.equal(iotlb.size, 2);
  iotlb.invalidate(page(1), 2n ** 64n - 1n);
  assert.equal(iotlb.size, 0);
  iotlb.update(page(1), page(10), USER, ReadWrite);
  iotlb.invalidate(0n, 0n);
  assert.equal(iotlb.size, 0);
});

test("translations go with the memory that they lead to", (t) => {
  const { iotlb, table } = makeIotlb(t);
  iotlb.update(page(1), page(1), USER, ReadWrite);
  const before = iotlb.generation;
  table.replace([makeRegion(0, PAGE)]);
  assert.notEqual(iotlb.generation, before);
  assert.equal(look(iotlb, page(1), 1), "miss");
});

const END = 2n ** 64n;
const hostile: readonly [string, bigint, bigint, bigint, number][] = [
  ["size 0", page(1), 0n, USER, 3],
  ["the whole of 64 bits", 0n, END - 1n, 0n, 3],
  ["an IOVA that wraps", END - 4096n, 8192n, USER, 3],
  ["an IOVA from 2^53 on", 2n ** 53n, 4096n, USER, 3],
  ["a user address that wraps", page(1), 8192n, END - 4096n, 3],
  ["a user address that is not shared", page(1), 4096n, USER + page(16), 3],
  ["one byte more than is shared", page(1), page(16) + 1n, USER, 3],
  ["no permissions", page(1), 4096n, USER, 0],
  ["permissions that do not exist", page(1), 4096n, USER, 4],
];

for (const [name, iova, size, userAddress, permissions] of hostile) {
  test(`an update is refused and changes nothing: ${name}`, (t) => {
    const { iotlb } = makeIotlb(t);
    iotlb.update(page(1), page(2), USER, Read);
    assert.throws(() => iotlb.update(iova, size, userAddress, permissions), MemoryAccessError);
    assert.equal(iotlb.size, 1);
    assert.deepEqual(look(iotlb, page(1), 2 * PAGE), [2 * PAGE]);
  });
}

test("addresses that cannot have a translation are faults, and no IOTLB miss is sent", (t) => {
  const { iotlb, misses } = makeIotlb(t);
  for (const iova of [2n ** 53n, 2n ** 63n, END - 1n]) assert.equal(look(iotlb, iova, 1), "fault");
  assert.throws(() => iotlb.locate(END - 8n, 16, Read), MemoryAccessError);
  assert.deepEqual(misses, []);
});

test("a flood of updates stays within its bound, and what is needed is found afterwards", (t) => {
  const { iotlb } = makeIotlb(t);
  // Every other byte, so that no two are one.
  for (let i = 0; i < 70_000; i += 1) iotlb.update(BigInt(2 * i), 1n, USER, Read);
  assert.ok(iotlb.size <= 66_560, `${iotlb.size}`);
  iotlb.update(1n, 1n, USER + 1n, Read);
  assert.deepEqual(look(iotlb, 1n, 1), [1]);
});

const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() & 0x7fff_ffff);

test(`any updates and invalidations lead where a list of bytes leads (VHOST_USER_SEED=${seed})`, () => {
  const BYTES = 64;
  const range = { at: fc.nat(BYTES - 1), length: fc.integer({ min: 1, max: 24 }) };
  const update = fc.record({
    ...range,
    user: fc.nat(39),
    permissions: fc.integer({ min: 1, max: 3 }),
  });
  const invalidate = fc.record(range);
  const table = new RegionTable();
  try {
    table.replace([
      makeRegion(0, 24, { userAddress: 0n }),
      makeRegion(PAGE, 40, { userAddress: 24n }),
    ]);
    fc.assert(
      fc.property(fc.array(fc.oneof(update, invalidate), { maxLength: 40 }), (steps) => {
        const iotlb = new Iotlb(table, () => undefined);
        const user = new Int8Array(2 * BYTES).fill(-1);
        const permissions = new Uint8Array(2 * BYTES);
        for (const step of steps) {
          const { at, length } = step;
          if ("user" in step) {
            iotlb.update(BigInt(at), BigInt(length), BigInt(step.user), step.permissions);
            for (let i = 0; i < length; i += 1) {
              const same = user[at + i] === step.user + i;
              permissions[at + i] = step.permissions | (same ? (permissions[at + i] ?? 0) : 0);
              user[at + i] = step.user + i;
            }
          } else {
            iotlb.invalidate(BigInt(at), BigInt(length));
            user.fill(-1, at, at + length);
            permissions.fill(0, at, at + length);
          }
        }
        const spans = new SpanList();
        for (let i = 0; i < BYTES; i += 1) {
          for (const write of [false, true]) {
            spans.clear();
            const found = iotlb.resolve(i, 0, 1, write, spans) === Resolved.Ok;
            assert.equal(found, ((permissions[i] ?? 0) & (write ? Write : Read)) !== 0);
            if (!found) continue;
            const view = table.locate(BigInt(user[i] ?? 0), 1);
            assert.deepEqual([spans.windows[0], spans.offsets[0]], [view?.window, view?.offset]);
          }
        }
      }),
      { numRuns: 200, seed },
    );
  } finally {
    table.close();
  }
});
