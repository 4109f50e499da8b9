import type { RingEvent } from "../trace/index.ts";
import { type RingState, RowKind } from "./head.ts";

/** Outstanding chains that are kept: no ring has more entries. */
const MAX_OUTSTANDING = 32_768;
/** Rings that a chunk begins with, and the chains of each. */
const MAX_RINGS = 256;
const MAX_OLDEST = 64;

interface Ring {
  available: number;
  used: number;
  missed: number;
  /** Rows by the number of the chain. */
  readonly outstanding: Map<number, number>;
}

/** Follows the chains of all rings by their rows. */
export class RingStates {
  readonly #rings = new Map<number, Ring>();

  /**
   * Applies an event.
   *
   * @returns its kind, and a number: of a used chain the row at which it was made available, counted
   *   back from this one; of chains that were missed their count
   */
  apply(lane: number, event: RingEvent, row: number): readonly [kind: number, value: number] {
    const ring = this.#ring(lane);
    switch (event.type) {
      case "chain-available": {
        ring.available += 1;
        ring.outstanding.set(event.chain, row);
        const [oldest] = ring.outstanding.keys();
        if (ring.outstanding.size > MAX_OUTSTANDING && oldest !== undefined) {
          ring.outstanding.delete(oldest);
        }
        return [RowKind.Available, 0];
      }
      case "chain-used": {
        ring.used += 1;
        const from = ring.outstanding.get(event.chain);
        ring.outstanding.delete(event.chain);
        return [RowKind.Used, from === undefined ? 0 : row - from];
      }
      case "chains-missed":
        ring.available += event.chains;
        ring.missed += event.chains;
        return [RowKind.Missed, event.chains];
      case "ring-view":
        if (event.state !== "ended") return [RowKind.Other, 0];
        ring.outstanding.clear();
        return [RowKind.ViewEnded, 0];
      case "ring-stalled":
      case "ring-signal":
        return [RowKind.Other, 0];
    }
  }

  /** Returns the state of each ring. */
  get states(): RingState[] {
    return [...this.#rings].slice(-MAX_RINGS).map(([lane, ring]) => {
      const { available, used, missed, outstanding } = ring;
      const oldest: number[] = [];
      for (const row of outstanding.values()) if (oldest.push(row) === MAX_OLDEST) break;
      return { lane, available, used, missed, outstanding: outstanding.size, oldest };
    });
  }

  #ring(lane: number): Ring {
    const known = this.#rings.get(lane);
    if (known !== undefined) return known;
    const ring: Ring = { available: 0, used: 0, missed: 0, outstanding: new Map() };
    this.#rings.set(lane, ring);
    return ring;
  }
}
