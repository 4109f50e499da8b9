import { counted } from "../../../core/base/index.ts";
import {
  BlockRequest,
  BlockStatus,
  blockStatusName,
} from "../../../endpoints/devices/block/layout.ts";
import type { GuestBuffer } from "../../../core/memory/index.ts";
import type { DeviceKit, Effect, ProbeRequest } from "../../conformance/kit/back-end/kit.ts";
import { POISON, type SuiteMemory } from "../../conformance/kit/back-end/memory.ts";

/** As long as any block size in use, so that every disk can read it at once. */
const PIECE_BYTES = 4096;
/** VIRTIO 5.2.6: what positions on a disk are counted in. */
const SECTOR_BYTES = 512;

/** The header of a block request (VIRTIO 5.2.6). */
export function blockHeader(type: number, sector = 0n): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, sector, true);
  return bytes;
}

/** What is wrong with an answer that should be VIRTIO_BLK_S_OK, of so many bytes. */
function wrongAnswer(status: GuestBuffer, written: number, expected: number): string | undefined {
  const [value = POISON] = status.bytes;
  if (value !== BlockStatus.Ok) return `status ${blockStatusName(value)}`;
  return written === expected ? undefined : `${counted(written, "byte")} written, not ${expected}`;
}

function read(
  memory: SuiteMemory,
  place = 0,
  pieces = 1,
): ProbeRequest & { readonly data: GuestBuffer } {
  const header = memory.holding(blockHeader(BlockRequest.In, sectorOf(place)));
  const data = memory.poisoned(PIECE_BYTES * pieces);
  const status = memory.poisoned(1);
  return {
    readable: [header],
    writable: [data, status],
    data,
    wrong: (written) => wrongAnswer(status, written, data.bytes.length + 1),
  };
}

function write(memory: SuiteMemory, bytes: Uint8Array, place = 0): ProbeRequest {
  const header = memory.holding(blockHeader(BlockRequest.Out, sectorOf(place)));
  const status = memory.poisoned(1);
  return {
    readable: [header, memory.holding(bytes)],
    writable: [status],
    wrong: (written) => wrongAnswer(status, written, 1),
  };
}

function sectorOf(place: number): bigint {
  return BigInt((place * PIECE_BYTES) / SECTOR_BYTES);
}

const effect: Effect = { read, write };

/** Reads the first sectors. */
export const blockKit: DeviceKit = {
  type: "block",
  rings: [0],
  ring: 0,
  requestRings: (queues) => Array.from({ length: queues }, (_, i) => i),
  request: (memory, scale) => read(memory, 0, scale),
  effect,
};
