import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { findDeviceKind } from "../../../../src/endpoints/devices/registry.ts";
import { hintsOf, type Offer } from "../../../../src/lab/probe/hints.ts";

const PROCESSORS = 4;
const SEG_MAX = 1n << 2n;
const BLK_SIZE = 1n << 6n;
const virtio = SEG_MAX | BLK_SIZE | VirtioFeature.IndirectDesc;
/** A disk without a surprise. */
const disk: Offer = {
  kind: findDeviceKind("block"),
  virtio,
  queues: 4,
  memorySlots: 32,
  config: { segMax: 254, blkSize: 512 },
};

/** The ids of the hints about a disk with these differences. */
const about = (changes: Partial<Offer>): string[] =>
  hintsOf({ ...disk, ...changes }, PROCESSORS).map(({ id }) => id);

test("a usual disk gets no hint", () => {
  assert.deepEqual(about({}), []);
});

test("fewer request queues than vCPUs is a hint for disks and SCSI controllers", () => {
  assert.deepEqual(about({ queues: 3 }), ["few-queues"]);
  assert.deepEqual(about({ queues: null }), ["few-queues"]);
  // Two of a controller's queues take no requests.
  assert.deepEqual(about({ kind: findDeviceKind("scsi"), queues: 5 }), ["few-queues"]);
  assert.deepEqual(about({ kind: findDeviceKind("scsi"), queues: 6 }), []);
  assert.deepEqual(about({ kind: findDeviceKind("net"), queues: 1 }), []);
  assert.match(hintsOf({ ...disk, queues: 1 }, 1)[0]?.text ?? "", /^1 request queue: .*=1 there$/);
});

test("a disk without SEG_MAX is a hint", () => {
  assert.deepEqual(about({ virtio: virtio & ~SEG_MAX }), ["no-seg-max"]);
});

test("requests that need a longer ring are a hint where there are no indirect tables", () => {
  const direct = { virtio: SEG_MAX | BLK_SIZE };
  assert.deepEqual(about(direct), ["long-requests"]);
  assert.deepEqual(about({ ...direct, config: { segMax: 126, blkSize: 512 } }), []);
  assert.deepEqual(about({ ...direct, config: { segMax: 127, blkSize: 512 } }), ["long-requests"]);
});

test("blocks of 4096 bytes are a hint where the field is valid", () => {
  const config = { segMax: 126, blkSize: 4096 };
  assert.deepEqual(about({ config }), ["large-blocks"]);
  assert.deepEqual(about({ config, virtio: virtio & ~BLK_SIZE }), []);
});

test("fewer than 32 memory slots are a hint, and so are none", () => {
  assert.deepEqual(about({ memorySlots: 31 }), ["few-memory-slots"]);
  const [hint] = hintsOf({ ...disk, memorySlots: null }, PROCESSORS);
  assert.match(hint?.text ?? "", /^8 memory slots: /);
});
