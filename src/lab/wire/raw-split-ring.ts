import type { RingWords, SplitRingWords } from "../../core/virtqueue/index.ts";
import { linked, type RawDescriptor, writeSplitDescriptor } from "./raw-descriptor.ts";

/** An element of the used ring. */
export interface UsedElement {
  /** Head of the descriptor chain, if the device keeps the rules. */
  readonly id: number;
  /** Bytes that the device says it wrote. */
  readonly length: number;
}

/**
 * The driver's side of a split ring, word by word: no rule is kept unless the caller keeps it.
 *
 * @example
 * ```ts
 * import { GuestMemory } from "vhost-user";
 * import { RawSplitRing } from "vhost-user/testing";
 * import { createDriverQueue, DescriptorFlag } from "vhost-user/virtqueue";
 *
 * const memory = new GuestMemory({ size: 1 << 20 });
 * const features = { eventIdx: false, indirect: false };
 * const ring = new RawSplitRing(createDriverQueue({ size: 8, memory, features }).raw);
 * ring.put(0, { address: 0x1000, length: 4, flags: DescriptorFlag.Next, next: 0 }); // a loop
 * ring.publish(0);
 * memory.close();
 * ```
 */
export class RawSplitRing {
  readonly words: SplitRingWords;
  readonly #table: DataView;
  #available: number;
  #used: number;

  /** @throws {TypeError} the ring is packed */
  constructor(words: RingWords) {
    if (words.format !== "split") throw new TypeError("the ring is packed, not split");
    this.words = words;
    const { buffer, byteOffset } = words.descriptors;
    // Up to the end of the mapping: an index beyond the table is the caller's to try.
    this.#table = new DataView(buffer, byteOffset);
    this.#available = Atomics.load(words.available, 1);
    this.#used = this.#available;
  }

  /** Writes descriptors as they are, from this index of the table on. */
  put(index: number, ...descriptors: readonly RawDescriptor[]): void {
    descriptors.forEach((descriptor, i) => {
      writeSplitDescriptor(this.#table, index + i, descriptor);
    });
  }

  /**
   * Writes a chain.
   *
   * @param at where: from this index on, or at these indices
   * @returns its head
   */
  chain(descriptors: readonly RawDescriptor[], at: number | readonly number[] = 0): number {
    const indices = typeof at === "number" ? descriptors.map((_, i) => at + i) : at;
    linked(descriptors).forEach((descriptor, i) => {
      this.put(indices[i] ?? 0, { ...descriptor, next: indices[i + 1] ?? 0 });
    });
    return indices[0] ?? 0;
  }

  /** Makes chains available, all at once, without a kick. */
  publish(...heads: readonly number[]): void {
    heads.forEach((head, i) => {
      this.words.available[2 + ((this.#available + i) % this.words.size)] = head;
    });
    this.moveTo(this.#available + heads.length);
  }

  /** Sets the avail index, modulo 2^16, without writing an entry. */
  moveTo(index: number): void {
    this.#available = index & 0xffff;
    Atomics.store(this.words.available, 1, this.#available);
  }

  /** The avail index as the driver wrote it last. */
  get available(): number {
    return this.#available;
  }

  /** The used index up to which elements were taken. */
  get used(): number {
    return this.#used;
  }

  /** Takes the next used element, if there is one. */
  take(): UsedElement | undefined {
    if (Atomics.load(this.words.used16, 1) === this.#used) return undefined;
    const slot = 1 + 2 * (this.#used % this.words.size);
    this.#used = (this.#used + 1) & 0xffff;
    return { id: this.words.used32[slot] ?? 0, length: this.words.used32[slot + 1] ?? 0 };
  }
}
