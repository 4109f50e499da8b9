import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import { BlockDevice } from "../../../endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../endpoints/storage/index.ts";
import { blockKind } from "../../../endpoints/devices/block/kind.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  SECTOR_SIZE,
} from "../../../endpoints/devices/block/layout.ts";
import type { GuestBuffer } from "../../../core/memory/index.ts";
import type {
  Effect,
  KitRequest,
  PlayedDevice,
  ReadRequest,
} from "../../conformance/kit/back-end/kit.ts";
import type { Kit } from "../../conformance/kit/kit.ts";
import { blockAlignment } from "./checks/alignment.ts";
import { blockRequests } from "./checks/requests.ts";
import { blockRings } from "./checks/rings.ts";
import { blockFlush } from "./checks/flush.ts";
import { blockSegments } from "./checks/segments.ts";
import { blockRanges } from "./checks/ranges.ts";
import { blockHeader } from "./header.ts";
import type { Session } from "../../conformance/kit/back-end/session.ts";
import { POISON, type SuiteMemory } from "../../conformance/kit/back-end/memory.ts";

/** A multiple of every block size in use, so that every disk can read it in one request. */
const PLACE_BYTES = 4096;
/** Offsets in the configuration space: VIRTIO 5.2.4. */
const SEG_MAX_OFFSET = 12;
const NUM_QUEUES_OFFSET = 34;
/** Size of the disk that the suite plays. */
const PLAYED_BYTES = 64 << 20;

/** Returns what is wrong with an answer that must be VIRTIO_BLK_S_OK, with `expected` bytes written. */
function wrongAnswer(status: GuestBuffer, written: number, expected: number): string | undefined {
  const [value = POISON] = status.bytes;
  if (value !== BlockStatus.Ok) return `status ${blockStatusName(value)}`;
  return written === expected ? undefined : `${counted(written, "byte")} written, not ${expected}`;
}

function read(memory: SuiteMemory, place = 0, places = 1): ReadRequest {
  const header = memory.holding(blockHeader(BlockRequest.In, sectorOf(place)));
  const data = memory.data(PLACE_BYTES * places);
  const status = memory.poisoned(1);
  return {
    readable: [header],
    writable: [data, status],
    data,
    wrong: (written) => wrongAnswer(status, written, data.bytes.length + 1),
  };
}

function write(memory: SuiteMemory, bytes: Uint8Array, place = 0): KitRequest {
  const header = memory.holding(blockHeader(BlockRequest.Out, sectorOf(place)));
  const status = memory.poisoned(1);
  return {
    readable: [header, memory.dataHolding(bytes)],
    writable: [status],
    wrong: (written) => wrongAnswer(status, written, 1),
  };
}

function sectorOf(place: number): bigint {
  return BigInt((place * PLACE_BYTES) / SECTOR_SIZE);
}

const effect: Effect = { readOnly: BlockFeature.ReadOnly, read, write };

/** Returns seg_max with header and status. */
async function maxDescriptors(session: Session, virtio: bigint): Promise<number | undefined> {
  if ((virtio & BlockFeature.SegMax) === 0n) return undefined;
  const config = await configBytes(session, SEG_MAX_OFFSET + 4);
  return config && config.readUInt32LE(SEG_MAX_OFFSET) + 2;
}

/** Returns num_queues. */
async function queueCount(session: Session): Promise<number | undefined> {
  if ((session.protocol & ProtocolFeature.Config) === 0n) return undefined;
  const config = await configBytes(session, NUM_QUEUES_OFFSET + 2);
  return config?.readUInt16LE(NUM_QUEUES_OFFSET);
}

/** Returns the first bytes of the configuration space; undefined if it is shorter. */
async function configBytes(session: Session, size: number): Promise<Buffer | undefined> {
  const asked = { offset: 0, flags: 0, data: new Uint8Array(size) };
  const config = await session.call(FrontendRequest.GetConfig, asked);
  return config?.data.length === size ? Buffer.from(config.data) : undefined;
}

function play(): PlayedDevice {
  const storage = BlockStorage.memory(PLAYED_BYTES);
  return { device: () => new BlockDevice({ storage }), close: () => storage.close() };
}

/** The request reads the first sectors. */
export const blockKit: Kit = {
  kind: blockKind,
  rings: [0],
  ring: 0,
  multiqueue: BlockFeature.Mq,
  requestRings: (queues) => Array.from({ length: queues }, (_, i) => i),
  request(memory, scale) {
    const request = read(memory, 0, scale);
    return { ...request, content: request.data };
  },
  effect,
  maxDescriptors,
  queueCount,
  // VIRTIO 5.2.5.2: CONFIG_WCE requires FLUSH.
  dependencies: [[11, [9]]],
  // The capacity.
  readOnlyField: { offset: 0, size: 8 },
  // wce
  writableField: { feature: BlockFeature.ConfigWce, offset: 32, size: 1 },
  // VIRTIO 5.2.4, up to the topology; the structure ends with the zone model
  config: { sizes: [32, 24], fields: [0, 8, 12, 16, 20, 24], structureBytes: 96 },
  // The capacity of a disk is in its configuration space.
  requiredProtocol: ProtocolFeature.Config,
  play,
  checks: [
    blockRequests,
    blockAlignment,
    blockSegments,
    blockRanges,
    blockFlush,
    blockRings,
  ].flat(),
};
