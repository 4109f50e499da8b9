import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { RawRing, RawSplitRing } from "../../../../core/virtqueue/index.ts";

/** VIRTQ_DESC_F_… */
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** A descriptor as it stands in memory. */
export interface Descriptor {
  readonly address: number | bigint;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

function encode({ address, length, flags = 0, next = 0 }: Descriptor): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(address), true);
  view.setUint32(8, length, true);
  view.setUint16(12, flags, true);
  view.setUint16(14, next, true);
  return bytes;
}

/** A driver of a split ring that keeps no rules: it writes the words of the ring as it is told. */
export class RawDriver {
  readonly #raw: RawSplitRing;
  #available = 0;

  /** @throws {TypeError} the ring is packed */
  constructor(raw: RawRing) {
    if (raw.format !== "split") throw new TypeError("expected a split ring");
    this.#raw = raw;
    this.#available = raw.available[1] ?? 0;
  }

  /** Descriptors from `index` on. */
  put(index: number, ...descriptors: readonly Descriptor[]): void {
    const { buffer, byteOffset } = this.#raw.descriptors;
    const table = new Uint8Array(buffer, byteOffset + index * 16);
    descriptors.forEach((descriptor, i) => table.set(encode(descriptor), i * 16));
  }

  /** Makes heads available. */
  offer(...heads: readonly number[]): void {
    for (const head of heads) {
      this.#raw.available[2 + (this.#available % this.#raw.size)] = head;
      this.#available = (this.#available + 1) & 0xffff;
    }
    Atomics.store(this.#raw.available, 1, this.#available);
  }

  /** Moves the available index by so many without an entry. */
  jump(distance: number): void {
    this.#available = (this.#available + distance) & 0xffff;
    Atomics.store(this.#raw.available, 1, this.#available);
  }
}

/** An indirect table in a buffer of its own, `shift` bytes behind its start. */
export function writeTable(
  buffer: GuestBuffer,
  shift: number,
  descriptors: readonly Descriptor[],
): Descriptor {
  descriptors.forEach((descriptor, i) => buffer.bytes.set(encode(descriptor), shift + i * 16));
  return { address: buffer.guestAddress + shift, length: descriptors.length * 16, flags: INDIRECT };
}

/** Chains descriptors in table order: NEXT on all but the last. */
export function inOrder(descriptors: readonly Descriptor[]): Descriptor[] {
  return descriptors.map((descriptor, i) =>
    i + 1 < descriptors.length
      ? { ...descriptor, flags: (descriptor.flags ?? 0) | NEXT, next: i + 1 }
      : descriptor,
  );
}
