import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BLOCK_CONFIG_SIZE,
  type BlockConfig,
  blockStatusName,
  decodeBlockConfig,
  encodeBlockConfig,
} from "../../../../src/endpoints/devices/block/index.ts";

// By hand from VIRTIO 5.2.4: every field has bytes of its own, so that a swap of two is seen.
const golden = `
  08 07 06 05 04 03 02 01   capacity
  14 13 12 11               size_max
  24 23 22 21               seg_max
  32 31                     geometry: cylinders
  33 34                     heads, sectors
  44 43 42 41               blk_size
  51 52                     physical_block_exp, alignment_offset
  54 53                     min_io_size
  64 63 62 61               opt_io_size
  71 00                     wce, unused
  82 81                     num_queues
  94 93 92 91               max_discard_sectors
  a4 a3 a2 a1               max_discard_seg
  b4 b3 b2 b1               discard_sector_alignment
  c4 c3 c2 c1               max_write_zeroes_sectors
  d4 d3 d2 d1               max_write_zeroes_seg
  e1 00 00 00               write_zeroes_may_unmap, unused
`;
const bytes = Uint8Array.from(
  golden
    .trim()
    .split("\n")
    .flatMap((line) =>
      (line.trim().split(/ {2,}/)[0] ?? "").split(" ").map((hex) => parseInt(hex, 16)),
    ),
);
const fields: BlockConfig = {
  capacity: 0x0102_0304_0506_0708n,
  sizeMax: 0x1112_1314,
  segMax: 0x2122_2324,
  geometry: { cylinders: 0x3132, heads: 0x33, sectors: 0x34 },
  blkSize: 0x4142_4344,
  physicalBlockExp: 0x51,
  alignmentOffset: 0x52,
  minIoSize: 0x5354,
  optIoSize: 0x6162_6364,
  wce: 0x71,
  numQueues: 0x8182,
  maxDiscardSectors: 0x9192_9394,
  maxDiscardSeg: 0xa1a2_a3a4,
  discardSectorAlignment: 0xb1b2_b3b4,
  maxWriteZeroesSectors: 0xc1c2_c3c4,
  maxWriteZeroesSeg: 0xd1d2_d3d4,
  writeZeroesMayUnmap: 0xe1,
};

test("the golden configuration space has 60 bytes", () => {
  assert.equal(bytes.length, BLOCK_CONFIG_SIZE);
  assert.equal(BLOCK_CONFIG_SIZE, 60);
});

test("encodes each field at its place, unused bytes 0", () => {
  assert.deepEqual(encodeBlockConfig(fields), bytes);
});

test("decodes each field from its place, whatever the unused bytes are", () => {
  assert.deepEqual(decodeBlockConfig(bytes), fields);
  const dirty = bytes.slice();
  for (const at of [33, 57, 58, 59]) dirty[at] = 0xff;
  assert.deepEqual(decodeBlockConfig(dirty), fields);
});

test("what is missing at the end of a shorter space is 0", () => {
  for (let length = 0; length < BLOCK_CONFIG_SIZE; length += 1) {
    const whole = new Uint8Array(BLOCK_CONFIG_SIZE);
    whole.set(bytes.subarray(0, length));
    assert.deepEqual(decodeBlockConfig(bytes.subarray(0, length)), decodeBlockConfig(whole));
  }
  assert.equal(decodeBlockConfig(bytes.subarray(0, 8)).capacity, fields.capacity);
  assert.equal(decodeBlockConfig(bytes.subarray(0, 8)).sizeMax, 0);
});

test("a longer space is taken, as newer devices have one", () => {
  const longer = new Uint8Array(96).fill(0xff);
  longer.set(bytes);
  assert.deepEqual(decodeBlockConfig(longer), fields);
});

test("bytes of a larger buffer are read from where they begin", () => {
  const larger = new Uint8Array(100);
  larger.set(bytes, 7);
  assert.deepEqual(decodeBlockConfig(larger.subarray(7, 67)), fields);
});

test("what was encoded is decoded to the same", () => {
  const u8 = fc.nat(0xff);
  const u16 = fc.nat(0xffff);
  const u32 = fc.nat(0xffff_ffff);
  const config = fc.record<BlockConfig>({
    capacity: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    sizeMax: u32,
    segMax: u32,
    geometry: fc.record({ cylinders: u16, heads: u8, sectors: u8 }),
    blkSize: u32,
    physicalBlockExp: u8,
    alignmentOffset: u8,
    minIoSize: u16,
    optIoSize: u32,
    wce: u8,
    numQueues: u16,
    maxDiscardSectors: u32,
    maxDiscardSeg: u32,
    discardSectorAlignment: u32,
    maxWriteZeroesSectors: u32,
    maxWriteZeroesSeg: u32,
    writeZeroesMayUnmap: u8,
  });
  fc.assert(
    fc.property(config, (value) => {
      // fast-check makes objects without a prototype.
      const plain = { ...value, geometry: { ...value.geometry } };
      assert.deepEqual(decodeBlockConfig(encodeBlockConfig(plain)), plain);
    }),
  );
});

test("status bytes have the names of the specification", () => {
  assert.deepEqual([0, 1, 2, 3, 255].map(blockStatusName), [
    "VIRTIO_BLK_S_OK",
    "VIRTIO_BLK_S_IOERR",
    "VIRTIO_BLK_S_UNSUPP",
    "status 3",
    "status 255",
  ]);
});
