import assert from "node:assert/strict";
import fs, { writeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { type TestContext, test } from "node:test";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
} from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { addon } from "../../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import {
  type Answer,
  concat,
  type Disk,
  header,
  makeDisk,
  POISON,
  range,
  runningQueue,
  SECTOR,
} from "../../../support/block.ts";
import { segmentsOf } from "../../../support/rings.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

const { In, Out, Flush, GetId, Discard, WriteZeroes } = BlockRequest;
const { Ok, IoError, Unsupported } = BlockStatus;

/** Bytes that differ at every position within 251. */
function pattern(length: number, start = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i) % 251);
}

function assertUntouched({ data }: Answer): void {
  assert.ok(
    data.every((byte) => byte === POISON),
    "only the status was written",
  );
}

/** Fills the storage with 0x11 and gives a check that nothing of it changed. */
function filled(disk: Disk): () => void {
  const before = new Uint8Array(disk.storage.size).fill(0x11);
  writeSync(disk.storage.fd, before, 0, before.length, 0);
  return () => assert.deepEqual(disk.stored(0, before.length), before);
}

/** Counts calls of fdatasyncSync until the test ends. */
function countSyncs(t: TestContext): () => number {
  const sync = t.mock.method(fs, "fdatasync");
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return () => sync.mock.callCount();
}

test("what was written is read back, and nothing around it changes", async (t) => {
  const disk = makeDisk(t);
  filled(disk);
  const data = pattern(3 * SECTOR);
  const written = await disk.request({ type: Out, sector: 5, out: data });
  assert.deepEqual([written.status, written.used], [Ok, 1]);
  assert.deepEqual(disk.stored(5 * SECTOR, 3 * SECTOR), data);
  assert.deepEqual(disk.stored(4 * SECTOR, SECTOR), new Uint8Array(SECTOR).fill(0x11));
  assert.deepEqual(disk.stored(8 * SECTOR, SECTOR), new Uint8Array(SECTOR).fill(0x11));
  const read = await disk.request({ type: In, sector: 5, into: 3 * SECTOR });
  assert.deepEqual([read.status, read.used], [Ok, 3 * SECTOR + 1]);
  assert.deepEqual(read.data, data);
});

test("the first and the last sector are read and written", async (t) => {
  const disk = makeDisk(t);
  for (const sector of [0, 63]) {
    assert.equal(
      (await disk.request({ type: Out, sector, out: pattern(SECTOR, sector) })).status,
      Ok,
    );
    const { status, data } = await disk.request({ type: In, sector, into: SECTOR });
    assert.equal(status, Ok);
    assert.deepEqual(data, pattern(SECTOR, sector));
  }
});

/** A header of 16 segments. */
const bytewise = Array.from({ length: 16 }, () => 1);

const cuts: readonly [name: string, readable: readonly number[], writable: readonly number[]][] = [
  ["a header in 16 segments", bytewise, [1024, 1]],
  ["a header in two segments, cut inside of the sector", [11, 5], [1024, 1]],
  ["data and status in one descriptor", [16], [1025]],
  ["data in segments of odd sizes, the last one with the status", [16], [1, 510, 3, 509, 2]],
  ["a status that shares nothing with the data", [16], [512, 512, 1]],
];
for (const [name, readableCuts, writableCuts] of cuts) {
  test(`reads with ${name}`, async (t) => {
    const disk = makeDisk(t);
    const data = pattern(2 * SECTOR);
    writeSync(disk.storage.fd, data, 0, data.length, 3 * SECTOR);
    const answer = await disk.request({ type: In, sector: 3, readableCuts, writableCuts });
    assert.deepEqual([answer.status, answer.used], [Ok, 1025]);
    assert.deepEqual(answer.data, data);
  });
}

const outCuts: readonly [name: string, readable: readonly number[]][] = [
  ["header and data in one descriptor", [16 + 1024]],
  ["the header in 16 segments", [...bytewise, 1024]],
  ["the end of the header with the data", [15, 1025]],
  ["data in segments of odd sizes", [17, 1, 500, 13, 509]],
];
for (const [name, readableCuts] of outCuts) {
  test(`writes with ${name}`, async (t) => {
    const disk = makeDisk(t);
    const out = pattern(2 * SECTOR);
    const answer = await disk.request({ type: Out, sector: 3, out, readableCuts });
    assert.deepEqual([answer.status, answer.used], [Ok, 1]);
    assert.deepEqual(disk.stored(3 * SECTOR, 2 * SECTOR), out);
  });
}

test("data across regions and windows of memory arrives whole", async (t) => {
  const disk = makeDisk(t, { size: 2048 * SECTOR, regions: 64, memoryBytes: 64 * 4096 * 2 });
  // The regions adjoin in guest addresses: one descriptor over many of them.
  const start = disk.table.regions[8]?.start ?? 0;
  const data = pattern(40 * 4096);
  writeSync(disk.storage.fd, data, 0, data.length, SECTOR);
  const { driver, device, memory } = disk;
  const head = memory.allocate(32);
  head.bytes.set(header(In, 1));
  driver.add(
    segmentsOf([head.guestAddress, 16], [start + 8, data.length], [head.guestAddress + 16, 1]),
    1,
    1000,
  );
  driver.publish();
  disk.block.process(runningQueue(device));
  device.publish();
  let used = 0;
  driver.poll((_, written) => (used = written), 1);
  assert.equal(used, data.length + 1);
  assert.equal(head.bytes[16], Ok);
  const got = disk.table.regions.flatMap((region) => {
    const view = region.view(0, region.end - region.start);
    return region.start >= start
      ? [...view.window.bytes.subarray(view.offset, view.offset + view.length)]
      : [];
  });
  assert.deepEqual(Uint8Array.from(got.slice(8, 8 + data.length)), data);
});

const beyond: readonly [name: string, sector: number | bigint, sectors: number][] = [
  ["at the end", 64, 1],
  ["across the end", 63, 2],
  ["longer than the disk", 0, 65],
  ["at 2^55, where the byte position is 2^64", 2n ** 55n, 1],
  ["at 2^63", 2n ** 63n, 1],
  ["at 2^64 - 1", 2n ** 64n - 1n, 2],
  ["at 2^32 + 1", 2n ** 32n + 1n, 1],
];
for (const [name, sector, sectors] of beyond) {
  test(`refuses to read or write ${name}`, async (t) => {
    const disk = makeDisk(t);
    const unchanged = filled(disk);
    const read = await disk.request({ type: In, sector, into: sectors * SECTOR });
    assert.deepEqual([read.status, read.used], [IoError, 0]);
    assertUntouched(read);
    const write = await disk.request({ type: Out, sector, out: pattern(sectors * SECTOR) });
    assert.deepEqual([write.status, write.used], [IoError, 1]);
    unchanged();
    assert.equal(fs.fstatSync(disk.storage.fd).size, 64 * SECTOR);
  });
}

test("refuses data that is not a whole number of sectors", async (t) => {
  const disk = makeDisk(t);
  const unchanged = filled(disk);
  for (const length of [1, 100, 511, 513]) {
    const read = await disk.request({ type: In, into: length });
    assert.deepEqual([read.status, read.used], [IoError, 0]);
    assertUntouched(read);
    assert.equal((await disk.request({ type: Out, out: pattern(length) })).status, IoError);
  }
  unchanged();
});

test("a request of no data is fine, and at the end as well", async (t) => {
  const disk = makeDisk(t);
  assert.deepEqual(await disk.request({ type: In, sector: 64 }), {
    status: Ok,
    used: 1,
    data: new Uint8Array(),
  });
  assert.equal((await disk.request({ type: Out, sector: 64 })).status, Ok);
  assert.equal((await disk.request({ type: In, sector: 65 })).status, IoError);
});

test("a read-only disk refuses what would change it, and offers nothing of it", async (t) => {
  const disk = makeDisk(t, { readOnly: true });
  const unchanged = filled(disk);
  const { features } = disk.block;
  assert.equal(features & BlockFeature.ReadOnly, BlockFeature.ReadOnly);
  assert.equal(features & (BlockFeature.Discard | BlockFeature.WriteZeroes), 0n);
  assert.equal((await disk.request({ type: Out, out: pattern(SECTOR) })).status, IoError);
  assert.notEqual((await disk.request({ type: Discard, out: range(0, 8) })).status, Ok);
  assert.notEqual((await disk.request({ type: WriteZeroes, out: range(0, 8) })).status, Ok);
  assert.equal((await disk.request({ type: In, into: SECTOR })).status, Ok);
  unchanged();
});

test("unknown requests are unsupported, and write nothing but the status", async (t) => {
  const disk = makeDisk(t);
  for (const type of [
    2, 3, 7, 9, 10, 12, 14, 15, 16, 18, 20, 22, 24, 26, 77, 0x8000_0000, 0xffff_ffff,
  ]) {
    const answer = await disk.request({ type, into: 24 });
    assert.deepEqual([answer.status, answer.used], [Unsupported, 0], `type ${type}`);
    assertUntouched(answer);
    assert.deepEqual(await disk.request({ type }), {
      status: Unsupported,
      used: 1,
      data: new Uint8Array(),
    });
  }
});

test("GET_ID gives 20 bytes, padded with zeroes or filled", async (t) => {
  const short = makeDisk(t, { id: "disk-1" });
  const answer = await short.request({ type: GetId, into: 20 });
  assert.deepEqual([answer.status, answer.used], [Ok, 21]);
  assert.equal(Buffer.from(answer.data).toString("latin1"), "disk-1".padEnd(20, "\0"));
  const long = makeDisk(t, { id: "a name of more than twenty characters" });
  const cut = await long.request({ type: GetId, into: 20 });
  assert.equal(Buffer.from(cut.data).toString("latin1"), "a name of more than ");
});

test("GET_ID of other lengths never writes beyond its buffer or its 20 bytes", async (t) => {
  const disk = makeDisk(t, { id: "0123456789abcdefghij" });
  const short = await disk.request({ type: GetId, into: 5 });
  assert.equal(Buffer.from(short.data).toString("latin1"), "01234");
  assert.ok(short.used <= 6);
  const long = await disk.request({ type: GetId, into: 64 });
  assert.ok(long.data.subarray(20).every((byte) => byte === POISON));
  assert.equal(long.status, IoError, "not all of it was written");
  assert.ok(long.used <= 20, "the status behind unwritten bytes is not counted");
  assert.deepEqual(await disk.request({ type: GetId }), {
    status: Ok,
    used: 1,
    data: new Uint8Array(),
  });
});

test("WRITE_ZEROES zeroes exactly its ranges, with and without unmap", async (t) => {
  for (const flags of [0, 1]) {
    const disk = makeDisk(t, { size: 64 * SECTOR });
    filled(disk);
    const out = concat(
      range(3, 2, flags),
      range(10, 1, flags),
      range(20, 0, flags),
      range(32, 16, flags),
    );
    const answer = await disk.request({ type: WriteZeroes, out });
    assert.deepEqual([answer.status, answer.used], [Ok, 1]);
    const zero = new Set([3, 4, 10, ...Array.from({ length: 16 }, (_, i) => 32 + i)]);
    for (let sector = 0; sector < 64; sector += 1) {
      const expected = new Uint8Array(SECTOR).fill(zero.has(sector) ? 0 : 0x11);
      assert.deepEqual(disk.stored(sector * SECTOR, SECTOR), expected, `sector ${sector}`);
    }
  }
});

test("WRITE_ZEROES gives room back only where the driver allows it", async (t) => {
  const folder = fs.mkdtempSync("/tmp/vhost-user-block-");
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const path = `${folder}/image`;
  fs.writeFileSync(path, new Uint8Array(2 << 20).fill(0x11));
  const disk = makeDisk(t, { storage: BlockStorage.open(path) });
  fs.fsyncSync(disk.storage.fd);
  const before = fs.statSync(path).blocks;
  const zero = async (flags: number): Promise<number> => {
    const answer = await disk.request({ type: WriteZeroes, out: range(0, 2048, flags) });
    assert.equal(answer.status, Ok);
    fs.fsyncSync(disk.storage.fd);
    assert.deepEqual(disk.stored(0, 1 << 20), new Uint8Array(1 << 20));
    return fs.statSync(path).blocks;
  };
  assert.ok((await zero(0)) >= before, "without unmap");
  assert.ok((await zero(1)) < before, "with unmap");
});

test("a flush of a read-only disk succeeds where its file system has none", async (t) => {
  const storage = BlockStorage.memory(1 << 20, { readOnly: true });
  const disk = makeDisk(t, { storage, features: BlockFeature.Flush });
  for (const code of ["EINVAL", "EROFS", "EIO"] as const) {
    const error = Object.assign(new Error(code), { code, errno: -constants.errno[code] });
    const flush = t.mock.method(fs, "fdatasync", (_fd: number, done: fs.NoParamCallback) => {
      setImmediate(done, error);
    });
    syncBuiltinESMExports();
    const { status } = await disk.request({ type: Flush });
    flush.mock.restore();
    syncBuiltinESMExports();
    assert.equal(status, code === "EIO" ? IoError : Ok, code);
  }
});

test("DISCARD is taken, and touches nothing outside of its range", async (t) => {
  const disk = makeDisk(t);
  filled(disk);
  assert.deepEqual(await disk.request({ type: Discard, out: range(8, 8) }), {
    status: Ok,
    used: 1,
    data: new Uint8Array(),
  });
  assert.deepEqual(disk.stored(0, 8 * SECTOR), new Uint8Array(8 * SECTOR).fill(0x11));
  assert.deepEqual(disk.stored(16 * SECTOR, 48 * SECTOR), new Uint8Array(48 * SECTOR).fill(0x11));
});

test("ranges come in any framing", async (t) => {
  const disk = makeDisk(t);
  filled(disk);
  const out = concat(range(1, 1), range(3, 1));
  const answer = await disk.request({ type: WriteZeroes, out, readableCuts: [3, 20, 1, 7, 17] });
  assert.equal(answer.status, Ok);
  assert.deepEqual(
    disk.stored(SECTOR, 3 * SECTOR),
    concat(new Uint8Array(SECTOR), new Uint8Array(SECTOR).fill(0x11), new Uint8Array(SECTOR)),
  );
});

test("ranges that break a rule are refused whole, before anything is changed", async (t) => {
  const disk = makeDisk(t);
  const unchanged = filled(disk);
  const good = range(0, 8);
  const cases: readonly [name: string, type: number, out: Uint8Array, status: number][] = [
    ["discard with the unmap flag", Discard, concat(good, range(8, 8, 1)), Unsupported],
    ["discard with an unknown flag", Discard, concat(good, range(8, 8, 2)), Unsupported],
    ["write zeroes with an unknown flag", WriteZeroes, concat(good, range(8, 8, 2)), Unsupported],
    [
      "write zeroes with the highest flag",
      WriteZeroes,
      concat(good, range(8, 8, 0x8000_0000)),
      Unsupported,
    ],
    ["a range across the end", WriteZeroes, concat(good, range(63, 2)), IoError],
    ["a range behind the end", Discard, concat(good, range(65, 0)), IoError],
    ["a range at 2^63", WriteZeroes, concat(good, range(2n ** 63n, 1)), IoError],
    ["a range at 2^64 - 1", Discard, concat(good, range(2n ** 64n - 1n, 2)), IoError],
    [
      "a range of more sectors than the limit",
      WriteZeroes,
      concat(good, range(0, (1 << 21) + 1)),
      IoError,
    ],
    ["a range of 2^32 - 1 sectors", Discard, concat(good, range(0, 0xffff_ffff)), IoError],
    [
      "more ranges than the limit",
      Discard,
      concat(...Array.from({ length: 17 }, () => good)),
      IoError,
    ],
    ["no range", WriteZeroes, new Uint8Array(), IoError],
    ["8 bytes", Discard, good.subarray(0, 8), IoError],
    ["17 bytes", WriteZeroes, concat(good, new Uint8Array(1)), IoError],
  ];
  for (const [name, type, out, status] of cases) {
    const answer = await disk.request({ type, out });
    assert.deepEqual([answer.status, answer.used], [status, 1], name);
    unchanged();
  }
  assert.equal(
    (await disk.request({ type: Discard, out: concat(...Array.from({ length: 16 }, () => good)) }))
      .status,
    Ok,
  );
});

test("a range as long as the limit is taken on a disk that has it", async (t) => {
  const disk = makeDisk(t, { size: 2 * 1024 ** 3 });
  for (const [type, limit] of [
    [WriteZeroes, 1 << 13],
    [Discard, 1 << 21],
  ] as const) {
    assert.equal((await disk.request({ type, out: range(5, limit) })).status, Ok);
    assert.equal((await disk.request({ type, out: range(5, limit + 1) })).status, IoError);
  }
});

test("a chain without a status byte breaks the ring and changes nothing", (t) => {
  const disk = makeDisk(t);
  const unchanged = filled(disk);
  void disk.submit({ type: Out, out: pattern(SECTOR), writableCuts: [] });
  disk.serve();
  assert.match(disk.device.broken?.reason ?? "", /no writable status byte/);
  assert.equal(disk.device.broken?.section, "5.2.6");
  unchanged();
});

test("a header shorter than 16 bytes is an I/O error", async (t) => {
  const disk = makeDisk(t);
  const unchanged = filled(disk);
  for (const length of [0, 1, 8, 15]) {
    const answer = await disk.request({
      type: 0,
      raw: header(Out).subarray(0, length),
      into: SECTOR,
    });
    assert.deepEqual([answer.status, answer.used], [IoError, 0], `${length} bytes`);
    assertUntouched(answer);
  }
  unchanged();
});

test("a write of data that ends up in the writable part writes nothing", async (t) => {
  const disk = makeDisk(t);
  const unchanged = filled(disk);
  const answer = await disk.request({ type: Out, into: SECTOR });
  assert.equal(answer.status, Ok, "a write of no data");
  assertUntouched(answer);
  unchanged();
});

test("a flush completes later, and other requests before it", async (t) => {
  const disk = makeDisk(t);
  const order: string[] = [];
  const flush = disk.submit({ type: Flush }).then((answer) => {
    order.push("flush");
    return answer;
  });
  const read = disk.submit({ type: In, into: SECTOR }).then(() => order.push("read"));
  disk.serve();
  assert.equal(disk.device.inFlight, 1, "the flush is in flight");
  await read;
  assert.deepEqual(await flush, { status: Ok, used: 1, data: new Uint8Array() });
  assert.deepEqual(order, ["read", "flush"]);
  assert.equal(disk.device.inFlight, 0);
});

test("quiesce waits for all flushes of its own ring and of no other", async (t) => {
  const disk = makeDisk(t, { queues: 2 });
  const done: number[] = [];
  for (let i = 0; i < 3; i += 1) void disk.submit({ type: Flush }).then(() => done.push(i));
  disk.serve();
  await capability(disk.block, "draining").quiesce(1);
  assert.equal(disk.device.inFlight, 3);
  await Promise.all([
    capability(disk.block, "draining").quiesce(0),
    capability(disk.block, "draining").quiesce(0),
  ]);
  assert.equal(disk.device.inFlight, 0);
  assert.equal(done.length, 3);
  await capability(disk.block, "draining").quiesce(0);
});

test("a flush that fails is an I/O error", async (t) => {
  const disk = makeDisk(t);
  t.mock.method(fs, "fdatasync", (_: number, done: (error: Error) => void) => {
    setImmediate(done, new Error("EIO"));
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  assert.equal((await disk.request({ type: Flush })).status, IoError);
});

test("a flush that ends after its memory went is dropped", async (t) => {
  const disk = makeDisk(t);
  void disk.submit({ type: Flush });
  disk.serve();
  disk.table.close();
  await capability(disk.block, "draining").quiesce(0);
  assert.equal(
    disk.driver.poll(() => undefined, 10),
    0,
  );
});

test("writes are stable at once for a driver that cannot flush, and only then", async (t) => {
  const syncs = countSyncs(t);
  const slow = makeDisk(t, { features: BlockFeature.Discard | BlockFeature.WriteZeroes });
  await slow.request({ type: Out, out: pattern(SECTOR) });
  assert.equal(syncs(), 1);
  await slow.request({ type: WriteZeroes, out: range(0, 1) });
  await slow.request({ type: Discard, out: range(0, 8) });
  assert.equal(syncs(), 3);
  await slow.request({ type: In, into: SECTOR });
  assert.equal(syncs(), 3);
  const fast = makeDisk(t, { features: BlockFeature.Flush });
  await fast.request({ type: Out, out: pattern(SECTOR) });
  assert.equal(syncs(), 3);
});

test("a file that became shorter is an I/O error and no loop", async (t) => {
  const { mkdtempSync, rmSync, truncateSync, writeFileSync } = fs;
  const folder = mkdtempSync("/tmp/vhost-user-block-");
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/image`, new Uint8Array(8 * SECTOR));
  const disk = makeDisk(t, { storage: BlockStorage.open(`${folder}/image`) });
  truncateSync(`${folder}/image`, SECTOR + 10);
  assert.equal((await disk.request({ type: In, into: SECTOR })).status, Ok);
  const answer = await disk.request({ type: In, sector: 1, into: SECTOR });
  assert.deepEqual([answer.status, answer.used], [IoError, 0]);
});

test("a session is served where no ring can be made any more", async (t) => {
  t.mock.method(addon(), "uringSetup", () => -24);
  const disk = makeDisk(t, { engine: "uring" });
  const out = pattern(SECTOR);
  assert.equal((await disk.request({ type: Out, out })).status, Ok);
  assert.equal((await disk.request({ type: Flush })).status, Ok);
  assert.deepEqual((await disk.request({ type: In, into: SECTOR })).data, out);
});

test("one turn serves at most a queue's worth", (t) => {
  const disk = makeDisk(t);
  const { driver, device } = disk;
  let served = 0;
  const queue = Object.create(device) as typeof device;
  Object.defineProperties(queue, {
    size: { value: driver.size },
    next: {
      value: (cursor: Parameters<typeof device.next>[0]) => {
        served += 1;
        cursor.spans.clear();
        cursor.readableBytes = 0;
        cursor.writableBytes = 1;
        cursor.readableSpans = 0;
        const window = disk.table.regions[0]?.view(0, 1).window;
        if (window) cursor.spans.push(window, 4000, 1);
        return true;
      },
    },
    complete: { value: () => undefined },
  });
  disk.block.process(runningQueue(queue));
  assert.equal(served, driver.size);
});
