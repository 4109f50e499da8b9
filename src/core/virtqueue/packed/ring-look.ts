import { DescriptorFlag } from "../descriptor.ts";
import type { PackedRingWords } from "../ring-words.ts";

const { Available, Used } = DescriptorFlag;

/**
 * Number of descriptors to look at in one go: the other side may just be writing the cache lines
 * behind them.
 */
const AHEAD = 32;

/**
 * Finds the progress of the other side of a packed ring, by the flags of its descriptors.
 *
 * Ordering. The first descriptor's flags are an atomic load, once a plain one has seen the bits:
 * most looks see nothing, and an atomic load is a call. Those behind are plain loads, which the
 * processor may do in any order with what follows; so there is a full barrier between them and
 * whatever is read of those descriptors: an atomic store, then an atomic load, of a word that is
 * private to this object (on arm64 `stlr` waits for what was read before, `ldar` for that `stlr`,
 * and later reads for `ldar`). One barrier for many descriptors costs less than an atomic load for
 * each.
 */
export class RingLook {
  readonly #ring: PackedRingWords;
  readonly #barrier = new Int32Array(1);

  constructor(ring: PackedRingWords) {
    this.#ring = ring;
  }

  /** Returns whether the descriptor at `index` has these AVAIL and USED bits. */
  at(index: number, available: boolean, used: boolean): boolean {
    const wanted = bits(available, used);
    const words = this.#ring.descriptors16;
    const at = index * 8 + 7;
    if (((words[at] ?? 0) & (Available | Used)) !== wanted) return false;
    return (Atomics.load(words, at) & (Available | Used)) === wanted;
  }

  /**
   * Returns the number of descriptors from `index` on with these bits: at most `max`, and not
   * beyond the ring's end.
   */
  count(index: number, available: boolean, used: boolean, max: number): number {
    if (!this.at(index, available, used)) return 0;
    const wanted = bits(available, used);
    const words = this.#ring.descriptors16;
    const end = Math.min(index + Math.min(max, AHEAD), this.#ring.size);
    let at = index + 1;
    while (at < end && ((words[at * 8 + 7] ?? 0) & (Available | Used)) === wanted) at += 1;
    if (at > index + 1) {
      Atomics.store(this.#barrier, 0, 0);
      Atomics.load(this.#barrier, 0);
    }
    return at - index;
  }
}

function bits(available: boolean, used: boolean): number {
  return (available ? Available : 0) | (used ? Used : 0);
}
