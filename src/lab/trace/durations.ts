import { createHistogram } from "node:perf_hooks";

const LONGEST_US = 3_600_000_000;

/** Round trips in microseconds. */
export interface RoundTrips {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A histogram of microseconds. */
export class Durations {
  readonly #histogram = createHistogram({ lowest: 1, highest: LONGEST_US, figures: 2 });

  record(us: number): void {
    this.#histogram.record(Math.min(Math.max(1, Math.round(us)), LONGEST_US));
  }

  get percentiles(): RoundTrips {
    const { count, max } = this.#histogram;
    const [p50, p99] = [this.#histogram.percentile(50), this.#histogram.percentile(99)];
    return { count, p50, p99, max };
  }
}

/** Puts cells under one another, those of the first column to the left. */
export function alignColumns(table: readonly (readonly string[])[]): string[] {
  const widths = table.reduce<number[]>(
    (most, row) => row.map((cell, at) => Math.max(most[at] ?? 0, cell.length)),
    [],
  );
  return table.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
