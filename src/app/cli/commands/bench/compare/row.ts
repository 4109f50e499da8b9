import type { Sampler } from "./pairs.ts";

/** How long each sample is measured, seconds, and what goes before it. */
export interface Timing {
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** One line of the table: the same work, by us and by another program. */
export interface Row {
  readonly name: string;
  readonly against: string;
  /** What the ratio ours/theirs has to be at least; with `cells`, their geometric mean. */
  readonly target: number;
  /** What each cell has to be at least; default the target. */
  readonly cellTarget?: number;
  readonly unit: string;
  readonly cells: readonly Cell[];
}

export interface Cell {
  readonly name: string;
  /** Makes what both are measured with; what it returns ends it. */
  setUp(timing: Timing): Promise<{ ours: Sampler; theirs: Sampler; end: () => Promise<void> }>;
}
