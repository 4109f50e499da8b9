import type { GuestBuffer } from "../memory/index.ts";

/** Bits of a descriptor's flags, VIRTIO 2.7.5 and 2.8.1; the last two are the packed format's. */
export const DescriptorFlag = {
  Next: 1,
  Write: 2,
  Indirect: 4,
  /** VIRTQ_DESC_F_AVAIL */
  Available: 1 << 7,
  /** VIRTQ_DESC_F_USED */
  Used: 1 << 15,
} as const;

/**
 * One descriptor, each of its four words read exactly once: the driver may change shared memory at
 * any moment. Reused. Split: 0:8 address, 8:4 length, 12:2 flags, 14:2 next. Packed: the same with
 * 12:2 id, 14:2 flags.
 */
export class Descriptor {
  /** The halves of the address, signed. */
  low = 0;
  high = 0;
  length = 0;
  /** Bytes 12 and 13, and 14 and 15. */
  third = 0;
  fourth = 0;

  /** Reads the descriptor whose first word is `words[at]`. */
  take(words: Uint32Array, at: number): void {
    this.low = (words[at] ?? 0) | 0;
    this.high = (words[at + 1] ?? 0) | 0;
    this.length = words[at + 2] ?? 0;
    const tail = words[at + 3] ?? 0;
    this.third = tail & 0xffff;
    this.fourth = tail >>> 16;
  }

  /** The address as text, for messages. */
  get addressText(): string {
    return `0x${((BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0)).toString(16)}`;
  }
}

/**
 * Writes the first three words of a descriptor, from `words[at]` on. Its address is
 * `addresses[index]`: passed as a number of that size it would be allocated, unless the engine
 * inlines this function.
 */
export function writeBuffer(
  words: Uint32Array,
  at: number,
  addresses: Float64Array,
  index: number,
  length: number,
): void {
  const address = addresses[index] ?? 0;
  const high = Math.floor(address / 2 ** 32);
  words[at] = address - high * 2 ** 32;
  words[at + 1] = high;
  words[at + 2] = length;
}

/**
 * Writes a whole descriptor. Unchanged words are not rewritten: each store invalidates the other
 * side's cache.
 */
export function updateDescriptor(
  words: Uint32Array,
  at: number,
  addresses: Float64Array,
  index: number,
  length: number,
  third: number,
  fourth: number,
): void {
  const address = addresses[index] ?? 0;
  const high = Math.floor(address / 2 ** 32);
  const low = address - high * 2 ** 32;
  const tail = (third | (fourth << 16)) >>> 0;
  if (words[at] !== low) words[at] = low;
  if (words[at + 1] !== high) words[at + 1] = high;
  if (words[at + 2] !== length) words[at + 2] = length;
  if (words[at + 3] !== tail) words[at + 3] = tail;
}

/** Returns the guest addresses of a driver's indirect tables, which are contiguous. */
export function tableAddresses(
  tables: GuestBuffer | undefined,
  count: number,
  segments: number,
): Float64Array {
  if (tables === undefined) return new Float64Array(0);
  return Float64Array.from({ length: count }, (_, i) => tables.address + i * segments * 16);
}
