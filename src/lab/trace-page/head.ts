/** Kinds of rows, by what they change in the state at their moment. */
export const RowKind = {
  Other: 0,
  Message: 1,
  Available: 2,
  Used: 3,
  Missed: 4,
  /** The ring is not followed any more. */
  ViewEnded: 5,
} as const;

/** Added to the kind of a row at which something is wrong. */
export const FAILED = 8;

/** A socket of a session or one of its rings. */
export interface PageLane {
  readonly session: number;
  readonly name: string;
  /** Absent for a socket. */
  readonly ring?: number | undefined;
}

/** A part of the rows. */
export interface PageChunk {
  /** Number of its first row. */
  readonly row: number;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly failures: number;
  /** Session, and the lowest and highest number of its messages in the chunk. */
  readonly messages: readonly (readonly [session: number, lowest: number, highest: number])[];
}

/** Something that is wrong, or the first of many such rows. */
export interface PageFailure {
  readonly row: number;
  readonly us: number;
  readonly text: string;
}

/** Events of each lane over time. */
export interface PageBins {
  readonly widthUs: number;
  /** A list of counts for each lane that is drawn. */
  readonly counts: readonly (readonly number[])[];
  /** The bins, by lane, in which something is wrong. */
  readonly failed: readonly (readonly number[])[];
}

/** The contents of the page, without its rows. */
export interface PageHead {
  readonly rows: number;
  readonly endUs: number;
  readonly lanes: readonly PageLane[];
  readonly chunks: readonly PageChunk[];
  readonly bins: PageBins;
}

/** Changes lines of a session's state: before `row`, `removed` lines from `at` become `lines`. */
export type StateChange = readonly [
  row: number,
  session: number,
  at: number,
  removed: number,
  lines: readonly string[],
];

/** The chains of a ring at the beginning of a chunk. */
export interface RingState {
  readonly lane: number;
  readonly available: number;
  readonly used: number;
  readonly missed: number;
  readonly outstanding: number;
  /** Rows of the oldest outstanding chains. */
  readonly oldest: readonly number[];
}

/** The head of a chunk, before the numbers of its rows. */
export interface ChunkHead {
  readonly templates: readonly string[];
  /** The state of the sessions before the first row: their lines. */
  readonly states: readonly (readonly [session: number, lines: readonly string[]])[];
  readonly rings: readonly RingState[];
  readonly changes: readonly StateChange[];
}
