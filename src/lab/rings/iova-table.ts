import { type Iotlb, IotlbType } from "../../core/protocol/index.ts";

/** Translations that are kept; behind that those of the lowest addresses are forgotten. */
const MAX_ENTRIES = 65_536;

interface Entry {
  readonly start: number;
  readonly end: number;
  readonly user: number;
}

/** I/O virtual addresses, as the IOTLB messages that pass translate them. */
export class IovaTable {
  /** By address; they do not overlap. */
  #entries: Entry[] = [];

  /** Applies a message of the front-end. */
  apply({ iova, size, userAddress, type }: Iotlb): void {
    const start = Number(iova);
    const end = Number(iova + size);
    if (type !== IotlbType.Update && type !== IotlbType.Invalidate) return;
    this.#remove(start, end);
    if (type === IotlbType.Update && Number.isSafeInteger(end) && end > start) {
      const entry = { start, end, user: Number(userAddress) };
      this.#entries.splice(this.#firstBehind(start), 0, entry);
    }
    // A range within a translation leaves two of it.
    while (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
  }

  /** Translations that are kept. */
  get size(): number {
    return this.#entries.length;
  }

  clear(): void {
    this.#entries = [];
  }

  /** Returns the translation that covers an address, with the user address of its start. */
  find(address: number): Entry | undefined {
    const found = this.#entries[this.#firstBehind(address)];
    return found !== undefined && address >= found.start ? found : undefined;
  }

  /** Translations that reach into the range are cut. */
  #remove(start: number, end: number): void {
    const from = this.#firstBehind(start);
    let to = from;
    const kept: Entry[] = [];
    for (; to < this.#entries.length; to += 1) {
      const each = this.#entries[to];
      if (each === undefined || each.start >= end) break;
      if (each.start < start) kept.push({ ...each, end: start });
      if (each.end > end) kept.push({ ...each, start: end, user: each.user + (end - each.start) });
    }
    this.#entries.splice(from, to - from, ...kept);
  }

  /** Returns the index of the first translation that ends behind an address. */
  #firstBehind(address: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.end ?? Infinity) > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
