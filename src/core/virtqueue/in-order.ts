/**
 * VIRTIO_F_IN_ORDER (VIRTIO 2.7.9, 2.8.8): chains are used in the order in which they were made
 * available, and one used entry with the id of the last chain may cover several. The skipped chains
 * were used completely.
 */

const FREE = 0;
const IN_WORK = 1;
const FINISHED = 2;

/**
 * The device's side: chains are used in the order in which they were taken, in whatever order they
 * finish. A slot identifies each chain.
 */
export class CompletionOrder {
  readonly #size: number;
  #oldest = 0;
  #newest = 0;
  /** By slot: the progress of the chain, the bytes written, and whether it is read-only. */
  readonly #progress: Uint8Array;
  readonly #written: Uint32Array;
  readonly #readOnly: Uint8Array;

  /** @param size entries of the ring, which limit the chains in flight */
  constructor(size: number) {
    this.#size = size;
    this.#progress = new Uint8Array(size);
    this.#written = new Uint32Array(size);
    this.#readOnly = new Uint8Array(size);
  }

  /** Assigns a slot to a chain that was taken. */
  take(readOnly: boolean): number {
    const slot = this.#newest;
    this.#newest = slot + 1 === this.#size ? 0 : slot + 1;
    this.#progress[slot] = IN_WORK;
    this.#readOnly[slot] = readOnly ? 1 : 0;
    return slot;
  }

  /**
   * Completes a finished chain at once if it is the oldest. Returns false if it is another, or not
   * in flight.
   */
  pass(slot: number): boolean {
    if (slot !== this.#oldest || this.#progress[slot] !== IN_WORK) return false;
    this.#progress[slot] = FREE;
    this.#oldest = slot + 1 === this.#size ? 0 : slot + 1;
    return true;
  }

  /** Marks a chain finished. Returns false if it is not in flight. */
  finish(slot: number, written: number): boolean {
    if (this.#progress[slot] !== IN_WORK) return false;
    this.#progress[slot] = FINISHED;
    this.#written[slot] = written;
    return true;
  }

  /** Frees and returns the slot of the next chain to use; -1 if it is not finished. */
  next(): number {
    const slot = this.#oldest;
    if (this.#progress[slot] !== FINISHED) return -1;
    this.#progress[slot] = FREE;
    this.#oldest = slot + 1 === this.#size ? 0 : slot + 1;
    return slot;
  }

  written(slot: number): number {
    return this.#written[slot] ?? 0;
  }

  /**
   * Returns whether the used entry of a later chain may cover this one. It may only if the chain is
   * read-only: a driver may need the written length, and DPDK's driver (22.11 to 26.11) does not
   * look for receive buffers behind an entry.
   */
  maySkip(slot: number): boolean {
    return this.#readOnly[slot] === 1;
  }
}

/** The driver's side: finds the chains that a used entry covers. */
export class BatchOrder {
  readonly #size: number;
  /** Ids of the outstanding chains, oldest first, in a circular buffer. */
  readonly #ids: Uint16Array;
  #oldest = 0;
  #count = 0;
  /** By id: the count at which the chain was added. Signed 32-bit counters that wrap. */
  readonly #addedAt: Int32Array;
  #added = 0;
  /** Number of chains of the entry that were not reported yet. */
  left = 0;

  /** @param size entries of the ring, which limit ids and outstanding chains */
  constructor(size: number) {
    this.#size = size;
    this.#ids = new Uint16Array(size);
    this.#addedAt = new Int32Array(size);
  }

  /** Forgets all outstanding chains. */
  clear(): void {
    this.#count = 0;
    this.left = 0;
  }

  add(id: number): void {
    this.#ids[this.#at(this.#count)] = id;
    this.#addedAt[id] = this.#added;
    this.#added = (this.#added + 1) | 0;
    this.#count += 1;
  }

  /**
   * Begins with the entry that has this id. Returns false if it is not one of the `published`
   * oldest chains.
   */
  begin(id: number, published: number): boolean {
    const first = (this.#added - this.#count) | 0;
    const distance = ((this.#addedAt[id] ?? first - 1) - first) | 0;
    if (distance < 0 || distance >= published || this.#ids[this.#at(distance)] !== id) return false;
    this.left = distance + 1;
    return true;
  }

  /** Returns the next chain that the entry covers; with the last one {@link left} becomes 0. */
  take(): number {
    const id = this.#ids[this.#oldest] ?? 0;
    this.#oldest = this.#at(1);
    this.#count -= 1;
    this.left -= 1;
    return id;
  }

  #at(distance: number): number {
    const at = this.#oldest + distance;
    return at >= this.#size ? at - this.#size : at;
  }
}
