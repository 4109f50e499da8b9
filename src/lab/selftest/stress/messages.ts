/** The commands of the parent to a child process, and their answers. Sizes are in bytes. */
export interface Commands {
  /** Client: opens sessions `first` to `first + count - 1` and keeps them. */
  open: { ask: { path: string; first: number; count: number }; answer: Outcome };
  /** Client: each open session writes its own part of the disk, reads it back and compares.
   * What is written differs from round to round. No request may take longer than `stallMs`. */
  io: { ask: { round: number; stallMs: number }; answer: Outcome };
  /** Client: closes all sessions. */
  close: { ask: Record<string, never>; answer: Outcome };
  /** Client: connects and leaves without a word. */
  storm: { ask: { path: string; count: number }; answer: Outcome };
  /** Client: sends this many bytes of a message and dies; there is no answer. */
  dieInMessage: { ask: { path: string; bytes: number }; answer: never };
  /** Client: submits writes of zeros to 4 KiB at this byte and dies; there is no answer. */
  dieInIo: { ask: { path: string; position: number }; answer: never };
  /** Client: connects, sends requests until nothing goes any more, and reads no reply. */
  clog: { ask: { path: string; count: number }; answer: Outcome };
  /** Client: leaves all connections of `clog`. */
  release: { ask: Record<string, never>; answer: Outcome };
  /** Back-end: listens. */
  serve: { ask: { path: string; size: number }; answer: Outcome };
  /** Both: what the process holds, after a forced garbage collection. */
  usage: { ask: Record<string, never>; answer: Usage };
}

export interface Outcome {
  readonly done: number;
  /** Distinct messages of what failed, and how often. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface Usage {
  readonly descriptors: number;
  /** Shared mappings. */
  readonly mappings: number;
  readonly residentBytes: number;
  /** Sessions that are open. */
  readonly sessions: number;
}

/** Bytes of the disk that belong to one client. */
export const CLIENT_SHARE = 16_384;

/** Default milliseconds that one request may take. */
export const STALL_MS = 60_000;

/** Requests that write a client's share and read it back. */
export const REQUESTS_PER_PASS = 8;
