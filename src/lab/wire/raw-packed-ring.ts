import {
  DescriptorFlag,
  FRESH_BASE,
  type PackedRingWords,
  RingPosition,
  type RingWords,
} from "../../core/virtqueue/index.ts";
import { flagsOf, linked, type RawDescriptor, writePackedDescriptor } from "./raw-descriptor.ts";

const { Available, Used, Write } = DescriptorFlag;

/** A used descriptor of a packed ring. */
export interface UsedDescriptor {
  readonly id: number;
  /** Bytes that the device says it wrote; 0 where VIRTQ_DESC_F_WRITE is clear (VIRTIO 2.8.4). */
  readonly length: number;
  readonly flags: number;
}

/**
 * The driver's side of a packed ring, word by word: no rule is kept unless the caller keeps it.
 * Positions are 16 bits as event areas and bases have them: bit 15 is the wrap counter.
 *
 * @example
 * ```ts
 * import { GuestMemory } from "vhost-user";
 * import { RawPackedRing } from "vhost-user/testing";
 * import { createDriverQueue } from "vhost-user/virtqueue";
 *
 * const memory = new GuestMemory({ size: 1 << 20 });
 * const features = { eventIdx: false, indirect: false, packed: true };
 * const ring = new RawPackedRing(createDriverQueue({ size: 8, memory, features }).raw);
 * ring.publish({ address: 0x1000, length: 4, id: 9999 }); // an id that the ring does not have
 * memory.close();
 * ```
 */
export class RawPackedRing {
  readonly words: PackedRingWords;
  readonly #view: DataView;
  readonly #next: RingPosition;

  /** @throws {TypeError} the ring is split */
  constructor(words: RingWords) {
    if (words.format !== "packed") throw new TypeError("the ring is split, not packed");
    this.words = words;
    const { buffer, byteOffset, byteLength } = words.descriptors;
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#next = new RingPosition(words.size, FRESH_BASE & 0xffff);
  }

  /**
   * Makes descriptors available, one behind the other; the flags of the first one are written last.
   *
   * @returns the position of the first one, which is also where it is to be used
   */
  publish(...descriptors: readonly RawDescriptor[]): number {
    const start = this.#next.half;
    const flagWords = descriptors.map((descriptor) => {
      const { index, wrap } = this.#next;
      writePackedDescriptor(this.#view, index, descriptor, undefined);
      this.#next.advance(1);
      return { index, flags: flagsOf(descriptor) | (wrap ? Available : Used) };
    });
    for (const { index, flags } of flagWords.toReversed()) {
      Atomics.store(this.words.descriptors16, 8 * index + 7, flags);
    }
    return start;
  }

  /**
   * Makes a chain available.
   *
   * @returns as {@link publish}
   */
  chain(descriptors: readonly RawDescriptor[], id: number): number {
    return this.publish(...linked(descriptors).map((descriptor) => ({ ...descriptor, id })));
  }

  /** The position that is this many descriptors behind the next one. */
  ahead(count: number): number {
    const position = new RingPosition(this.words.size, this.#next.half);
    position.advance(count);
    return position.half;
  }

  /**
   * Writes the driver event area.
   *
   * @param flags VIRTIO 2.8.10
   */
  writeDriverEvent(position: number, flags: number): void {
    Atomics.store(this.words.driverEvent, 0, position);
    Atomics.store(this.words.driverEvent, 1, flags);
  }

  /** The used descriptor at a position, once the device has written it. */
  usedAt(position: number): UsedDescriptor | undefined {
    const { index, wrap } = new RingPosition(this.words.size, position);
    const mask = Available | Used;
    const flags = Atomics.load(this.words.descriptors16, 8 * index + 7);
    if ((flags & mask) !== (wrap ? mask : 0)) return undefined;
    const id = this.words.descriptors16[8 * index + 6] ?? 0;
    const length = (flags & Write) === 0 ? 0 : (this.words.descriptors[4 * index + 2] ?? 0);
    return { id, flags, length };
  }
}
