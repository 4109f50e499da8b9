import type { Region } from "./region.ts";
import { MAX_SPANS } from "./span-list.ts";

/** More translations than spans of a chain, so that every chain which is not refused can be served. */
const MAX_TRANSLATIONS: number = MAX_SPANS + 1024;

/** A range of I/O virtual addresses and the memory behind it. */
export interface Translation {
  /** The first address; `end` is the first one behind the range. */
  readonly start: number;
  readonly end: number;
  /** I/O virtual address that the region's first mapped byte would have; may be negative. */
  readonly origin: number;
  readonly region: Region;
  /** `IotlbPermission` */
  readonly permissions: number;
}

/** Translations sorted by address. They never overlap; contiguous ones are merged. */
export class IotlbTable {
  /**
   * The address that {@link find} looks up: a parameter that needs more than 31 bits would be
   * allocated.
   */
  address = 0.5;
  readonly #entries: Translation[] = [];
  /** Index of the translation that was found last: neighbouring buffers mostly share one. */
  #last = 0;
  /** Index of the translation to drop next when the table is full. */
  #victim = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** Returns the translation that covers {@link address}. */
  find(): Translation | undefined {
    const { address } = this;
    const last = this.#entries[this.#last];
    if (last !== undefined && address >= last.start && address < last.end) return last;
    let low = 0;
    let high = this.#entries.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#entries[middle];
      if (found === undefined) return undefined;
      if (address < found.start) high = middle - 1;
      else if (address >= found.end) low = middle + 1;
      else {
        this.#last = middle;
        return found;
      }
    }
    return undefined;
  }

  /**
   * Adds a translation. It replaces the overlapping part of an earlier one that leads elsewhere.
   */
  add(added: Translation): void {
    const parts: Translation[] = [];
    let at = added.start;
    for (let i = this.#firstBehind(at); at < added.end; i += 1) {
      const known = this.#entries[i];
      if (known === undefined || known.start >= added.end) break;
      if (!leadsAlike(known, added)) continue;
      const start = Math.max(known.start, at);
      const end = Math.min(known.end, added.end);
      if (start > at) parts.push({ ...added, start: at, end: start });
      parts.push({ ...added, start, end, permissions: known.permissions | added.permissions });
      at = end;
    }
    if (at < added.end) parts.push({ ...added, start: at });
    this.remove(added.start, added.end);
    this.#insert(parts);
    while (this.#entries.length > MAX_TRANSLATIONS) this.#giveUp();
  }

  /** Removes `[start, end)`; translations are cut at its ends. */
  remove(start: number, end: number): void {
    const from = this.#firstBehind(start);
    let to = from;
    while ((this.#entries[to]?.start ?? Infinity) < end) to += 1;
    const [first, last] = [this.#entries[from], this.#entries[to - 1]];
    if (to === from || first === undefined || last === undefined) return;
    const kept: Translation[] = [];
    if (first.start < start) kept.push({ ...first, end: start });
    if (last.end > end) kept.push({ ...last, start: end });
    this.#entries.splice(from, to - from, ...kept);
  }

  clear(): void {
    this.#entries.length = 0;
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

  /** Inserts contiguous parts into a range without translations. */
  #insert(parts: readonly Translation[]): void {
    const [first] = parts;
    if (first === undefined) return;
    const index = this.#firstBehind(first.start);
    const before = this.#entries[index - 1];
    const after = this.#entries[index];
    const merged: Translation[] = [];
    for (const part of [before, ...parts, after]) {
      const last = merged.at(-1);
      if (part === undefined) continue;
      if (last !== undefined && continues(last, part)) {
        merged[merged.length - 1] = { ...last, end: part.end };
      } else merged.push(part);
    }
    const from = before === undefined ? index : index - 1;
    const count = Number(before !== undefined) + Number(after !== undefined);
    this.#entries.splice(from, count, ...merged);
  }

  /**
   * Drops a translation in turn, so that no access pattern always loses the one that it needs next.
   */
  #giveUp(): void {
    this.#victim = (this.#victim + 7919) % this.#entries.length;
    this.#entries.splice(this.#victim, 1);
  }
}

function leadsAlike(a: Translation, b: Translation): boolean {
  return a.region === b.region && a.origin === b.origin;
}

function continues(before: Translation, after: Translation): boolean {
  return (
    before.end === after.start &&
    before.permissions === after.permissions &&
    leadsAlike(before, after)
  );
}
