import assert from "node:assert/strict";
import { ftruncateSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { MemoryAccessError, StateError } from "../../../../src/core/base/index.ts";
import {
  MAX_SPANS,
  Region,
  RegionTable,
  Resolved,
  SpanList,
} from "../../../../src/core/memory/index.ts";
import { brokenMappings, Mapping } from "../../../../src/core/os/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";
import {
  describeRegion,
  GIB,
  lookUp,
  makeRegion,
  PAGE,
  segmentLengths,
  unsealedFile,
} from "../../support/memory.ts";

guardLeaks();

function makeTable(t: TestContext, ...regions: Region[]): RegionTable {
  const table = new RegionTable();
  t.after(() => table.close());
  table.replace(regions);
  return table;
}

test("finds every byte of a region, and nothing around it", (t) => {
  const table = makeTable(t, makeRegion(0x10000, 3 * PAGE));
  assert.deepEqual(segmentLengths(table, 0x10000, 3 * PAGE), [3 * PAGE]);
  assert.deepEqual(segmentLengths(table, 0x10000 + 3 * PAGE - 1, 1), [1]);
  assert.equal(segmentLengths(table, 0x10000 - 1, 1), undefined);
  assert.equal(segmentLengths(table, 0x10000 - 1, 2), undefined);
  assert.equal(segmentLengths(table, 0x10000 + 3 * PAGE, 1), undefined);
  assert.equal(segmentLengths(table, 0x10000, 3 * PAGE + 1), undefined);
  const bytes = lookUp(table, 0x10000 + 5, 10)?.[0];
  assert.equal(bytes?.byteOffset, 5);
});

test("an empty table has nothing, and a length of 0 is nowhere", (t) => {
  const table = makeTable(t);
  assert.equal(segmentLengths(table, 0, 1), undefined);
  assert.deepEqual(segmentLengths(table, 0, 0), []);
  assert.deepEqual(segmentLengths(table, 2n ** 64n - 1n, 0), []);
});

test("a buffer runs on into a region that adjoins in guest addresses", (t) => {
  // Given out of order, and with user addresses that do not adjoin.
  const table = makeTable(
    t,
    makeRegion(0x2000, PAGE, { userAddress: 0n }),
    makeRegion(0x1000, PAGE),
    makeRegion(0x3000, PAGE),
  );
  assert.deepEqual(segmentLengths(table, 0x1ff0, 0x20), [0x10, 0x10]);
  assert.deepEqual(segmentLengths(table, 0x1001, 3 * PAGE - 1), [PAGE - 1, PAGE, PAGE]);
  assert.equal(segmentLengths(table, 0x1001, 3 * PAGE), undefined);
});

test("a buffer does not run across a hole", (t) => {
  const table = makeTable(t, makeRegion(0x1000, PAGE), makeRegion(0x3000, PAGE));
  assert.equal(segmentLengths(table, 0x1ff0, 0x11), undefined);
  assert.equal(segmentLengths(table, 0x2fff, 2), undefined);
  assert.deepEqual(segmentLengths(table, 0x1ff0, 0x10), [0x10]);
});

test("each of many regions is found by both of its ends", (t) => {
  const regions = Array.from({ length: 33 }, (_, i) => makeRegion(i * 2 * PAGE, PAGE));
  const table = makeTable(t, ...regions.toReversed());
  for (let i = 0; i < 33; i += 1) {
    const start = i * 2 * PAGE;
    const window = regions[i]?.view(0, 1).window.bytes;
    for (const [address, offset] of [
      [start, 0],
      [start + PAGE - 1, PAGE - 1],
    ] as const) {
      const found = lookUp(table, address, 1)?.[0];
      assert.equal(found?.buffer, window?.buffer);
      assert.equal(found?.byteOffset, offset);
    }
    assert.equal(segmentLengths(table, start + PAGE, 1), undefined);
  }
});

test("addresses with the highest bits set are faults, whatever their sum with the length", (t) => {
  const table = makeTable(t, makeRegion(0, 2 * PAGE));
  for (const address of [
    2n ** 64n - 4096n,
    2n ** 64n - 1n,
    2n ** 63n,
    2n ** 53n,
    2n ** 32n,
    2n ** 31n,
  ]) {
    assert.equal(segmentLengths(table, address, 2 * PAGE), undefined, address.toString(16));
  }
  assert.equal(segmentLengths(table, 0, 0xffff_ffff), undefined);
  const spans = new SpanList();
  // The halves may be signed, as they come out of an Int32Array.
  assert.equal(table.resolve(-1, -1, 1, false, spans), Resolved.Fault);
});

test("look-ups that follow each other find what the first one would", (t) => {
  const GIB4 = 2 ** 32;
  for (const start of [0, PAGE, 2 ** 31 - PAGE, GIB4 - PAGE, GIB4, 3 * GIB4 - 3 * PAGE]) {
    const fresh = (address: number, length: number): unknown => {
      const table = makeTable(t, makeRegion(start, 4 * PAGE));
      return lookUp(table, address, length)?.map((bytes) => [bytes.byteOffset, bytes.length]);
    };
    const table = makeTable(t, makeRegion(start, 4 * PAGE));
    const end = start + 4 * PAGE;
    for (const address of [start, end - 1, start - 1, end, (start + 2 * PAGE) % GIB4]) {
      for (const length of [0, 1, PAGE, 2 * PAGE, 4 * PAGE, 0xffff_ffff]) {
        if (address < 0) continue;
        for (const from of [address, address + PAGE, address + GIB4]) {
          const found = lookUp(table, from, length);
          const segments = found?.map((bytes) => [bytes.byteOffset, bytes.length]);
          assert.deepEqual(segments, fresh(from, length), `${from} + ${length} in ${start}`);
          assert.ok(lookUp(table, start, 1) && lookUp(table, start + 1, 1));
        }
      }
    }
    table.replace([makeRegion(start + 16 * PAGE, PAGE)]);
    assert.equal(lookUp(table, start, 1), undefined);
  }
});

test("an address from 2^31 to 2^32 may come with a signed lower half", (t) => {
  const table = makeTable(t, makeRegion(0xffff_f000, PAGE));
  const spans = new SpanList();
  assert.equal(table.resolve(0xffff_f008 | 0, 0, 8, false, spans), Resolved.Ok);
  assert.equal(spans.offsets[0], 8);
});

test("a buffer across window borders of a large region is split into segments, in order", (t) => {
  const table = makeTable(t, makeRegion(6 * GIB, 5 * GIB));
  assert.deepEqual(segmentLengths(table, 7 * GIB - 100, 300), [100, 200]);
  assert.deepEqual(segmentLengths(table, 7 * GIB - 1, GIB + 2), [1, GIB, 1]);
  assert.deepEqual(segmentLengths(table, 11 * GIB - 1, 1), [1]);
  assert.equal(segmentLengths(table, 11 * GIB - 1, 2), undefined);
  const [before, after] = lookUp(table, 7 * GIB - 1, 2) ?? [];
  assert.ok(before && after);
  before[0] = 1;
  after[0] = 2;
  const again = lookUp(table, 7 * GIB - 1, 2)?.map((bytes) => bytes[0]);
  assert.deepEqual(again, [1, 2]);
  const region = table.regions[0];
  const view = region?.view(GIB - 1, 2);
  assert.deepEqual([...(view?.window.bytes.subarray(view.offset, view.offset + 2) ?? [])], [1, 2]);
});

test("windows begin at the first mapped byte, also where the mmap offset is unaligned", (t) => {
  const size = 2 * GIB;
  const fd = unsealedFile(size + 100);
  const table = makeTable(t, new Region(describeRegion(0, size, { mmapOffset: 100n }), fd));
  assert.deepEqual(segmentLengths(table, 0, size), [GIB - 100, GIB, 100]);
});

test("user addresses lead to contiguous memory of one region", (t) => {
  const table = makeTable(
    t,
    makeRegion(0x1000, PAGE, { userAddress: 0xffff_8000_0000_0000n }),
    makeRegion(0x2000, PAGE, { userAddress: 0xffff_8000_0000_1000n }),
  );
  const view = table.locate(0xffff_8000_0000_0ff0n, 16);
  assert.equal(view?.offset, PAGE - 16);
  assert.equal(table.locate(0xffff_8000_0000_0ff0n, 17), undefined, "one region only");
  assert.equal(table.locate(0xffff_7fff_ffff_ffffn, 1), undefined);
  assert.equal(table.locate(0xffff_8000_0000_2000n, 1), undefined);
  assert.equal(table.locate(0x1000n, 1), undefined, "a guest address is not a user address");
});

test("refuses regions that overlap in guest or user addresses, and stays as it was", (t) => {
  const table = makeTable(t, makeRegion(0x10000, 2 * PAGE));
  const { generation } = table;
  const before = takeResources();
  const overlapping = [
    () => makeRegion(0x11000, PAGE, { userAddress: 0n }),
    () => makeRegion(0xf000, PAGE + 1, { userAddress: 0n }),
    () => makeRegion(0xf000, 4 * PAGE, { userAddress: 0n }),
    () => makeRegion(0x90000, PAGE, { userAddress: 2n ** 40n + 0x11fffn }),
    () => makeRegion(0x90000, PAGE, { userAddress: 2n ** 40n + 0xf001n }),
    () => makeRegion(0x10000, 2 * PAGE),
  ];
  for (const make of overlapping) assert.throws(() => table.add(make()), MemoryAccessError);
  assert.throws(() => table.replace([makeRegion(0, 2 * PAGE), makeRegion(PAGE, PAGE)]), {
    message: /overlap in guest addresses: 0x0-0x2000 and 0x1000-0x2000/,
  });
  assert.equal(table.generation, generation);
  assert.equal(takeResources().descriptors.size, before.descriptors.size);
  assert.equal(takeResources().mappings.length, before.mappings.length);
  assert.deepEqual(segmentLengths(table, 0x10000, 2 * PAGE), [2 * PAGE]);
});

test("an overlap in user addresses is found between regions that are not adjacent in guest addresses", (t) => {
  const table = makeTable(
    t,
    makeRegion(0x10000, PAGE, { userAddress: 0x1000n }),
    makeRegion(0x20000, PAGE, { userAddress: 0x9000n }),
  );
  assert.throws(() => table.add(makeRegion(0x30000, PAGE, { userAddress: 0x1fffn })), {
    message: /overlap in user addresses: 0x1000 \+ 0x1000 and 0x1fff/,
  });
});

test("adding, removing and replacing change the generation and free what went", (t) => {
  const before = takeResources();
  const table = makeTable(t, makeRegion(0, PAGE));
  const seen = new Set([table.generation]);
  table.add(makeRegion(0x2000, PAGE));
  seen.add(table.generation);
  assert.deepEqual(segmentLengths(table, 0x2000, 1), [1]);
  assert.equal(table.remove(describeRegion(0x2000, PAGE)), true);
  seen.add(table.generation);
  assert.equal(segmentLengths(table, 0x2000, 1), undefined);
  assert.equal(takeResources().mappings.length, before.mappings.length + 1);
  assert.equal(takeResources().descriptors.size, before.descriptors.size + 1);
  table.replace([makeRegion(0x8000, PAGE)]);
  seen.add(table.generation);
  assert.equal(segmentLengths(table, 0, 1), undefined);
  assert.deepEqual(segmentLengths(table, 0x8000, 1), [1]);
  assert.equal(seen.size, 4);
  assert.equal(takeResources().mappings.length, before.mappings.length + 1);
  assert.equal(takeResources().descriptors.size, before.descriptors.size + 1);
});

test("removes only what agrees in guest address, user address and size", (t) => {
  const table = makeTable(t, makeRegion(0x1000, PAGE), makeRegion(0x2000, PAGE));
  const exact = describeRegion(0x1000, PAGE);
  for (const wrong of [
    { ...exact, guestAddress: 0x3000n },
    { ...exact, userAddress: 0n },
    { ...exact, size: 1n },
  ]) {
    assert.equal(table.remove(wrong), false);
  }
  assert.equal(table.regions.length, 2);
  assert.equal(table.remove({ ...exact, mmapOffset: 123n }), true, "the offset does not matter");
  assert.equal(table.remove(exact), false);
});

test("a closed table closes what it is given", () => {
  const table = new RegionTable();
  table.replace([makeRegion(0, PAGE)]);
  table.close();
  table.close();
  assert.throws(() => table.add(makeRegion(0, PAGE)), StateError);
  assert.throws(() => table.replace([makeRegion(0, PAGE)]), StateError);
  assert.equal(table.regions.length, 0);
});

test("the number of segments is bounded, and a buffer with more segments is a fault", (t) => {
  const spans = new SpanList(2);
  const region = makeRegion(0, PAGE);
  const { window } = region.view(0, 1);
  let pushed = 0;
  while (spans.push(window, pushed % PAGE, 1)) pushed += 1;
  assert.equal(pushed, MAX_SPANS);
  assert.equal(spans.count, MAX_SPANS);
  assert.equal(spans.offsets[4095], 4095);
  const table = makeTable(t, region);
  assert.equal(table.resolve(0, 0, 1, false, spans), Resolved.Fault);
  spans.clear();
  assert.equal(table.resolve(0, 0, 1, false, spans), Resolved.Ok);
});

test("a table is broken once memory of it was taken away, and no longer when that is replaced", () => {
  const fd = unsealedFile(2 * PAGE);
  const peer = fd.duplicate();
  const table = new RegionTable();
  table.replace([makeRegion(0x8000, PAGE), new Region(describeRegion(0, 2 * PAGE), fd)]);
  using elsewhere = Mapping.map(peer.fd, { offset: 0, length: PAGE, writable: true });
  const breaks = brokenMappings();
  assert.equal(table.broken, false);
  elsewhere.markBroken();
  elsewhere.markBroken();
  assert.equal(brokenMappings(), breaks + 1, "counted once");
  assert.equal(table.broken, false, "another mapping broke");
  ftruncateSync(peer.fd, 0);
  assert.equal(table.broken, false, "not yet noticed");
  lookUp(table, 0, 1)?.[0]?.fill(1);
  assert.equal(brokenMappings(), breaks + 2);
  assert.equal(table.broken, true);
  assert.equal(table.broken, true);
  table.remove(describeRegion(0, 2 * PAGE));
  assert.equal(table.broken, false);
  table.close();
  peer.close();
});

test("memory around a window border is looked at as well", () => {
  const fd = unsealedFile(GIB + PAGE);
  const peer = fd.duplicate();
  const region = new Region(describeRegion(0, GIB + PAGE), fd);
  const table = new RegionTable();
  table.replace([region]);
  const { window, offset } = region.view(GIB - 1, 2);
  ftruncateSync(peer.fd, 0);
  assert.equal(table.broken, false);
  window.bytes[offset] = 1;
  assert.equal(table.broken, true);
  table.close();
  peer.close();
});

test("the count of broken mappings is one for all threads", () => {
  runChildWell(`
    const before = os.brokenMappings();
    const thread = worker(\`
      const fd = os.addon().memfdCreate("x", 1);
      fs.ftruncateSync(fd, 4096);
      const own = os.Mapping.map(fd, { offset: 0, length: 4096, writable: true });
      fs.ftruncateSync(fd, 0);
      const before = os.brokenMappings();
      own.bytes[0] = 1;
      parentPort.postMessage(os.brokenMappings() - before);
    \`);
    // Watched from here: the last message and the end may come together.
    const ended = once(thread, "exit");
    assert.deepEqual(await once(thread, "message"), [1]);
    await ended;
    assert.equal(os.brokenMappings(), before + 1);`);
});
