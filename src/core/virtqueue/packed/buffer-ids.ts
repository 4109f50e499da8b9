/**
 * Assigns the buffer ids of a driver: any free one, or with VIRTIO_F_IN_ORDER one after the other,
 * so that the next used id is known.
 */
export class BufferIds {
  readonly #size: number;
  readonly #inOrder: boolean;
  readonly #free: Uint16Array;
  #freeCount = 0;
  /** With VIRTIO_F_IN_ORDER: the next id to be used, and the next id to assign. */
  oldest = 0;
  #next = 0;

  /** @param size the limit on outstanding buffers */
  constructor(size: number, inOrder: boolean) {
    this.#size = size;
    this.#inOrder = inOrder;
    this.#free = new Uint16Array(size);
    this.clear();
  }

  /** Frees all ids. */
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

  /** @param id an assigned id; with VIRTIO_F_IN_ORDER the oldest */
  release(id: number): void {
    if (this.#inOrder) {
      this.oldest = id + 1 === this.#size ? 0 : id + 1;
    } else {
      this.#free[this.#freeCount] = id;
      this.#freeCount += 1;
    }
  }

  /**
   * With VIRTIO_F_IN_ORDER: returns the number of buffers that are used before this one.
   *
   * @param id below the size
   */
  before(id: number): number {
    return id < this.oldest ? id - this.oldest + this.#size : id - this.oldest;
  }
}
