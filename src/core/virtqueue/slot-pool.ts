/**
 * Numbers from 0 that are free or taken, e.g. the slots of a ring's requests. The number that was
 * released last is acquired first, as its cache lines are warm. Nothing allocates after the start.
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

  /** How many are free. */
  get free(): number {
    return this.#free;
  }

  /** How many are taken. */
  get taken(): number {
    return this.size - this.#free;
  }

  /** The slot that {@link acquire} would take; -1 if none is free. */
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
