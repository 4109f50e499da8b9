import { DescriptorFlag } from "../descriptor.ts";
import { NO_RING_LOG, type RingLog } from "../ring-log.ts";
import type { PackedRingWords } from "../ring-words.ts";
import type { RingMemory } from "../types.ts";
import { RingPosition } from "./layout.ts";

const { Available, Used, Write } = DescriptorFlag;

/**
 * The used descriptors that a device half writes into the ring.
 *
 * Ordering. The first of a batch is held back: its flags go last, by `Atomics` ({@link publish}), so
 * the driver, which reads in ring order, sees none of the batch before, and those behind are plain
 * stores. The rest of that descriptor is held back as well because the driver may poll its place.
 */
export class UsedDescriptors {
  /** The position of the next completion. */
  readonly position: RingPosition;
  /** True while there are completions that were not published. */
  isHeld = false;
  readonly #ring: PackedRingWords;
  readonly #log: RingLog;
  /** Guest address of the descriptor ring. */
  readonly #descriptorsAt: number;
  #heldIndex = 0;
  #heldId = 0;
  #heldLength = 0;
  #heldFlags = 0;
  /** Trails {@link position} while one used descriptor covers a batch (IN_ORDER). */
  readonly #batch: RingPosition;
  #batchOpen = false;

  /** @param half 16 bits of a base, at which the ring begins */
  constructor(
    ring: PackedRingWords,
    { descriptors }: RingMemory,
    half: number,
    log: RingLog = NO_RING_LOG,
  ) {
    this.#ring = ring;
    this.#log = log;
    this.#descriptorsAt = descriptors.window.guestStart + descriptors.offset;
    this.position = new RingPosition(ring.size, half);
    this.#batch = new RingPosition(ring.size, half);
  }

  /**
   * Writes a used descriptor; the first of a batch is held back.
   *
   * @param id id of the buffer
   * @param written bytes that the device wrote
   * @param count ring descriptors of the chains that it covers
   * @param maySkip whether the next one may take its place and cover both
   */
  write(id: number, written: number, count: number, maySkip: boolean): void {
    const { position } = this;
    const { index, wrap } = this.#batchOpen ? this.#batch : position;
    if (maySkip && !this.#batchOpen) this.#batch.copy(position);
    this.#batchOpen = maySkip;
    const flags = (wrap ? Available | Used : 0) | (written > 0 ? Write : 0);
    if (this.isHeld && index !== this.#heldIndex) {
      const { descriptors } = this.#ring;
      descriptors[index * 4 + 2] = written;
      descriptors[index * 4 + 3] = id | (flags << 16);
      this.#logAt(index);
    } else {
      this.isHeld = true;
      this.#heldIndex = index;
      this.#heldId = id;
      this.#heldLength = written;
      this.#heldFlags = flags;
    }
    position.advance(count);
  }

  /** Makes everything visible that was written. */
  publish(): void {
    const { descriptors, descriptors16 } = this.#ring;
    const index = this.#heldIndex;
    this.#batchOpen = false;
    this.isHeld = false;
    descriptors[index * 4 + 2] = this.#heldLength;
    descriptors16[index * 8 + 6] = this.#heldId;
    Atomics.store(descriptors16, index * 8 + 7, this.#heldFlags);
    this.#logAt(index);
  }

  #logAt(index: number): void {
    if (this.#log.active) this.#log.mark(this.#descriptorsAt + 16 * index, 16);
  }
}
