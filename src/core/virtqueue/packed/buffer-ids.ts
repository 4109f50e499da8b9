/**
 * The ids by which a driver names its buffers: any that is free, or with VIRTIO_F_IN_ORDER one after
 * the other, so that it is known which is used next.
 */
export class BufferIds {
  readonly #size: number;
  readonly #inOrder: boolean;
  readonly #free: Uint16Array;
  #freeCount = 0;
  /** In order: the id that is used next, and the one that is taken next. */
  oldest = 0;
  #next = 0;

  /** @param size no more buffers are out */
  constructor(size: number, inOrder: boolean) {
    this.#size = size;
    this.#inOrder = inOrder;
    this.#free = new Uint16Array(size);
    this.clear();
  }

  /** Nothing is out any more. */
  clear(): void {
    this.#free.forEach((_, i, ids) => (ids[i] = this.#size - 1 - i));
    this.#freeCount = this.#size;
    this.oldest = this.#next = 0;
  }

  take(): number {
    if (this.#inOrder) {
      const id = this.#next;
      this.#next = id + 1 === this.#size ? 0 : id + 1;
      return id;
    }
    this.#freeCount -= 1;
    return this.#free[this.#freeCount] ?? 0;
  }

  /** @param id one that is out; in order: the oldest */
  release(id: number): void {
    if (this.#inOrder) {
      this.oldest = id + 1 === this.#size ? 0 : id + 1;
    } else {
      this.#free[this.#freeCount] = id;
      this.#freeCount += 1;
    }
  }

  /**
   * In order: how many are to be used before this one.
   *
   * @param id below the size
   */
  before(id: number): number {
    return id < this.oldest ? id - this.oldest + this.#size : id - this.oldest;
  }
}
