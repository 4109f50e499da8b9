import { counted, QueueError } from "../../base/index.ts";

const VERSION = 1;
/** Positions in the header, counted in half words. */
const VERSION_AT = 4;
const DESC_NUM_AT = 5;

/** A chain in flight, and its entry's counter, which orders the chains. */
export interface InflightOrigin {
  readonly entry: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Reads the header, for both formats, and returns whether the region was used before.
 *
 * @param size size of the ring
 * @throws {QueueError} neither a fresh region nor one for such a ring
 */
export function expectVersion(
  halves: Uint16Array,
  entries: number,
  size: number,
): "fresh" | "used" {
  if (size > entries) {
    throw new QueueError(
      `in-flight region: expected room for ${counted(size, "entry", "entries")}, the size of the ring, got ${entries}`,
    );
  }
  const version = Atomics.load(halves, VERSION_AT);
  if (version === 0) return "fresh";
  const descNum = halves[DESC_NUM_AT] ?? 0;
  if (version !== VERSION || descNum !== entries) {
    throw new QueueError(
      `in-flight region: expected version 0, or ${VERSION} with ${counted(entries, "entry", "entries")}, ` +
        `got version ${version} with ${descNum}`,
    );
  }
  return "used";
}

/** Version, number of entries and the counter that records the order in which chains were taken. */
export class InflightHeader {
  readonly #words: Uint32Array;
  /** The next value of the counter: 64 bits as two halves. */
  #low = 0;
  #high = 0;

  constructor(words: Uint32Array) {
    this.#words = words;
  }

  /** Marks a fresh region as used: the last step of its preparation. */
  begin(halves: Uint16Array, entries: number): void {
    halves[DESC_NUM_AT] = entries;
    Atomics.store(halves, VERSION_AT, VERSION);
  }

  /** Writes the next count to a counter whose low half is `words[at]`. */
  stamp(at: number): void {
    this.#words[at] = this.#low;
    this.#words[at + 1] = this.#high;
    this.#low = (this.#low + 1) | 0;
    if (this.#low === 0) this.#high = (this.#high + 1) | 0;
  }

  originOf(entry: number, at: number): InflightOrigin {
    return { entry, low: this.#words[at] ?? 0, high: this.#words[at + 1] ?? 0 };
  }

  /** Returns the entries, oldest first. Counting continues behind the youngest. */
  inOrder(found: InflightOrigin[]): Uint16Array {
    found.sort((a, b) => a.high - b.high || a.low - b.low);
    const youngest = found.at(-1);
    if (youngest !== undefined) {
      this.#low = (youngest.low + 1) | 0;
      this.#high = this.#low === 0 ? (youngest.high + 1) | 0 : youngest.high | 0;
    }
    return Uint16Array.from(found, ({ entry }) => entry);
  }
}
