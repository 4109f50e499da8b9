/** Completions in each second after the warm-up; the last second may be a part of one. */
export class PerSecond {
  readonly counts: number[] = [];
  readonly #most: number;

  /** @param durationMs what ends a moment later still belongs to the last second of it */
  constructor(durationMs: number | undefined) {
    this.#most = Math.ceil((durationMs ?? Infinity) / 1000) - 1;
  }

  /** @param ms after the warm-up's end */
  add(ms: number, count: number): void {
    const second = Math.max(0, Math.min(this.#most, Math.floor(ms / 1000)));
    while (this.counts.length <= second) this.counts.push(0);
    this.counts[second] = (this.counts[second] ?? 0) + count;
  }
}

/** The sum of several queues. */
export function addPerSecond(all: readonly (readonly number[])[]): number[] {
  const length = Math.max(0, ...all.map((counts) => counts.length));
  return Array.from({ length }, (_, second) =>
    all.reduce((sum, counts) => sum + (counts[second] ?? 0), 0),
  );
}
