import { counted, QueueError } from "../../base/index.ts";
import type { MemoryView } from "../../memory/index.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { RingMemory } from "../types.ts";

/**
 * Split virtqueue, VIRTIO 2.7. For a queue of q entries:
 *
 * | part | alignment | bytes | contents |
 * | --- | --- | --- | --- |
 * | descriptor table | 16 | 16q | 0:8 address, 8:4 length, 12:2 flags, 14:2 next |
 * | available ring | 2 | 6 + 2q | 0:2 flags, 2:2 idx, 4:2q ring, then used_event |
 * | used ring | 4 | 6 + 8q | 0:2 flags, 2:2 idx, 4:8q {id, len}, then avail_event |
 */
export const MAX_QUEUE_SIZE = 32768;

/** VIRTQ_AVAIL_F_NO_INTERRUPT and VIRTQ_USED_F_NO_NOTIFY */
export const NO_NOTIFICATION = 1;

/** Returns bytes and alignment of the three parts. */
export function splitRingLayout(
  size: number,
): Record<keyof RingMemory, { bytes: number; alignment: number }> {
  return {
    descriptors: { bytes: 16 * size, alignment: 16 },
    driver: { bytes: 6 + 2 * size, alignment: 2 },
    device: { bytes: 6 + 8 * size, alignment: 4 },
  };
}

/**
 * Returns whether a split queue may have `size` entries (VIRTIO 2.7: a power of two up to 32768).
 */
export function isSplitQueueSize(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size <= MAX_QUEUE_SIZE && (size & (size - 1)) === 0;
}

/** @throws {QueueError} a size that no split queue has; a part is too short or not aligned */
export function splitRing(size: number, memory: RingMemory): SplitRingWords {
  if (!isSplitQueueSize(size)) {
    throw new QueueError(
      `expected a queue size that is a power of two up to ${MAX_QUEUE_SIZE}, got ${size}`,
    );
  }
  const layout = splitRingLayout(size);
  for (const part of ["descriptors", "driver", "device"] as const) {
    const { offset, length } = memory[part];
    const { bytes, alignment } = layout[part];
    if (length < bytes || offset % alignment !== 0) {
      throw new QueueError(
        `${part} area of a queue of ${size}: expected ${counted(bytes, "byte")} aligned to ${alignment}, ` +
          `got ${counted(length, "byte")} at 0x${offset.toString(16)} of its page`,
      );
    }
  }
  const { descriptors, driver, device } = memory;
  return {
    format: "split",
    size,
    descriptors: words(descriptors, 4 * size),
    descriptors16: halfWords(descriptors, 8 * size),
    available: halfWords(driver, 3 + size),
    used16: halfWords(device, 3 + 4 * size),
    used32: words(device, 1 + 2 * size),
    usedEventIndex: 2 + size,
    availEventIndex: 2 + 4 * size,
  };
}

function words({ window, offset }: MemoryView, count: number): Uint32Array {
  return new Uint32Array(window.bytes.buffer, window.bytes.byteOffset + offset, count);
}

function halfWords({ window, offset }: MemoryView, count: number): Uint16Array {
  return new Uint16Array(window.bytes.buffer, window.bytes.byteOffset + offset, count);
}
