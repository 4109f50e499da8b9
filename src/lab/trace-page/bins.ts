import type { PageBins } from "./head.ts";

const BINS = 1024;
/** Further lanes are not drawn. */
const MAX_LANES = 64;

/** Counts events over time, in bins that become wider as time goes on. */
export class Bins {
  #widthUs = 1;
  readonly #counts: number[][] = [];
  readonly #failed: Set<number>[] = [];

  add(lane: number, us: number, failed: boolean): void {
    if (lane >= MAX_LANES) return;
    while (us >= BINS * this.#widthUs) this.#widen();
    for (let i = this.#counts.length; i <= lane; i += 1) {
      this.#counts.push(emptyBins());
      this.#failed.push(new Set());
    }
    const bin = Math.floor(us / this.#widthUs);
    const counts = this.#counts[lane];
    if (counts !== undefined) counts[bin] = (counts[bin] ?? 0) + 1;
    if (failed) this.#failed[lane]?.add(bin);
  }

  /** Returns the counts so far, without the empty bins at the end. */
  get bins(): PageBins {
    const last = this.#counts.reduce(
      (end, counts) =>
        Math.max(
          end,
          counts.findLastIndex((count) => count > 0),
        ),
      0,
    );
    return {
      widthUs: this.#widthUs,
      counts: this.#counts.map((counts) => counts.slice(0, last + 1)),
      failed: this.#failed.map((bins) => [...bins]),
    };
  }

  #widen(): void {
    this.#widthUs *= 2;
    for (const [lane, counts] of this.#counts.entries()) {
      const wide = emptyBins();
      for (const [bin, count] of counts.entries()) {
        const to = bin >> 1;
        wide[to] = (wide[to] ?? 0) + count;
      }
      this.#counts[lane] = wide;
      this.#failed[lane] = new Set([...(this.#failed[lane] ?? [])].map((bin) => bin >> 1));
    }
  }
}

const emptyBins = (): number[] => Array.from({ length: BINS }, () => 0);
