import type { Sampler } from "./pairs.ts";

/** Seconds of each sample and of its warm-up. */
export interface Timing {
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** One line of the table: the same work, by us and by another program. */
export interface Row {
  readonly name: string;
  readonly against: string;
  /** The lowest accepted ratio ours/theirs; with `cells`, of their geometric mean. */
  readonly target: number;
  /** The lowest accepted ratio of each cell; default the target. */
  readonly cellTarget?: number;
  readonly unit: string;
  readonly cells: readonly Cell[];
}

export interface Cell {
  readonly name: string;
  /** Makes what both are measured with; what it returns ends it. */
  setUp(timing: Timing): Promise<{ ours: Sampler; theirs: Sampler; end: () => Promise<void> }>;
}
