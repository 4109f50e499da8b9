/**
 * Assigns numbers from 0, for example slots of a ring's requests. The number that was released last
 * is assigned first, as its cache lines are warm. Only the constructor allocates.
 *
 * @example
 * ```ts
 * import { SlotPool } from "vhost-user/virtqueue";
 *
 * const pool = new SlotPool(64);
 * const slot = pool.acquire();
 * console.log(slot, pool.free);
 * pool.release(slot);
 * ```
 */
export class SlotPool {
  readonly size: number;
  readonly #slots: Int32Array;
  #free: number;

  constructor(size: number) {
    this.size = size;
    this.#slots = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#free = size;
  }

  /** Number of free slots. */
  get free(): number {
    return this.#free;
  }

  /** Number of taken slots. */
  get taken(): number {
    return this.size - this.#free;
  }

  /** Returns the slot that {@link acquire} would take; -1 if none is free. */
  peek(): number {
    return this.#free === 0 ? -1 : (this.#slots[this.#free - 1] ?? -1);
  }

  /** Takes a free slot; -1 if none is free. */
  acquire(): number {
    const slot = this.peek();
    if (slot >= 0) this.#free -= 1;
    return slot;
  }

  /** Frees a slot that is taken. */
  release(slot: number): void {
    this.#slots[this.#free] = slot;
    this.#free += 1;
  }
}
