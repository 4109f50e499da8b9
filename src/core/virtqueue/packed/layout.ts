import { counted, QueueError } from "../../base/index.ts";
import type { MemoryView } from "../../memory/index.ts";
import type { PackedRingWords } from "../ring-words.ts";
import type { RingMemory } from "../types.ts";

/**
 * Packed virtqueue, VIRTIO 2.8. For a queue of q entries:
 *
 * | part | field of SET_VRING_ADDR | alignment | bytes | contents |
 * | --- | --- | --- | --- | --- |
 * | descriptor ring | descriptor | 16 | 16q | 0:8 address, 8:4 length, 12:2 id, 14:2 flags |
 * | driver event area | available | 4 | 4 | 0:2 offset and wrap counter, 2:2 flags |
 * | device event area | used | 4 | 4 | the same |
 */
export const MAX_PACKED_SIZE = 32768;

/** Values of an event area's flags, VIRTIO 2.8.10. */
export const EventFlag = {
  /** RING_EVENT_FLAGS_ENABLE */
  Enable: 0,
  /** RING_EVENT_FLAGS_DISABLE */
  Disable: 1,
  /** RING_EVENT_FLAGS_DESC: at the descriptor that the offset names; needs EVENT_IDX */
  Descriptor: 2,
} as const;

/** The bit of the wrap counter in an event area's offset and in a ring position. */
export const WRAP = 1 << 15;

/** The base of an unused ring: both positions 0, both wrap counters 1. */
export const FRESH_BASE = 0x8000_8000;

/** Returns bytes and alignment of the three parts. */
export function packedRingLayout(
  size: number,
): Record<keyof RingMemory, { bytes: number; alignment: number }> {
  return {
    descriptors: { bytes: 16 * size, alignment: 16 },
    driver: { bytes: 4, alignment: 4 },
    device: { bytes: 4, alignment: 4 },
  };
}

/** Returns whether a packed queue may have `size` entries (VIRTIO 2.8: any number up to 32768). */
export function isPackedQueueSize(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size <= MAX_PACKED_SIZE;
}

/** @throws {QueueError} a part is too short or not aligned, or the size is none */
export function packedRing(size: number, memory: RingMemory): PackedRingWords {
  if (!isPackedQueueSize(size)) {
    throw new QueueError(`expected a packed queue of 1 to ${MAX_PACKED_SIZE} entries, got ${size}`);
  }
  const layout = packedRingLayout(size);
  for (const part of ["descriptors", "driver", "device"] as const) {
    const { offset, length } = memory[part];
    const { bytes, alignment } = layout[part];
    if (length < bytes || offset % alignment !== 0) {
      throw new QueueError(
        `${part} area of a packed queue of ${size}: expected ${counted(bytes, "byte")} aligned to ${alignment}, ` +
          `got ${counted(length, "byte")} at 0x${offset.toString(16)} of its page`,
      );
    }
  }
  const { descriptors, driver, device } = memory;
  const { buffer, byteOffset } = descriptors.window.bytes;
  return {
    format: "packed",
    size,
    descriptors: new Uint32Array(buffer, byteOffset + descriptors.offset, 4 * size),
    descriptors16: new Uint16Array(buffer, byteOffset + descriptors.offset, 8 * size),
    driverEvent: eventArea(driver),
    deviceEvent: eventArea(device),
  };
}

function eventArea({ window, offset }: MemoryView): Uint16Array {
  return new Uint16Array(window.bytes.buffer, window.bytes.byteOffset + offset, 2);
}

/** A position in the ring and its wrap counter, which is toggled at the ring's end. */
export class RingPosition {
  readonly #size: number;
  index: number;
  wrap: boolean;

  /** @param half 16 bits of a base: bits 0 to 14 the position, bit 15 the wrap counter */
  constructor(size: number, half: number) {
    this.#size = size;
    this.index = 0;
    this.wrap = false;
    this.restart(half);
  }

  /** Goes to a position given as 16 bits of a base. */
  restart(half: number): void {
    this.index = (half & (WRAP - 1)) % this.#size;
    this.wrap = (half & WRAP) !== 0;
  }

  /** Advances by at most the ring's size. */
  advance(count: number): void {
    this.index += count;
    if (this.index < this.#size) return;
    this.index -= this.#size;
    this.wrap = !this.wrap;
  }

  copy(other: RingPosition): void {
    this.index = other.index;
    this.wrap = other.wrap;
  }

  equals(other: RingPosition): boolean {
    return this.index === other.index && this.wrap === other.wrap;
  }

  /** Returns the 16 bits as event areas and bases have them. */
  get half(): number {
    return this.index | (this.wrap ? WRAP : 0);
  }
}

/**
 * Returns whether the other side must be notified with EVENT_IDX (VIRTIO 2.8.10). It requested the
 * position `event` (16 bits); the ring went from index `before` to `now` since the last decision.
 */
export function packedNeedsEvent(
  event: number,
  now: RingPosition,
  before: number,
  size: number,
): boolean {
  const old = now.index <= before ? before - size : before;
  const sameWrap = ((event & WRAP) !== 0) === now.wrap;
  const offset = (event & (WRAP - 1)) - (sameWrap ? 0 : size);
  return ((now.index - offset - 1) & 0xffff) < ((now.index - old) & 0xffff);
}
