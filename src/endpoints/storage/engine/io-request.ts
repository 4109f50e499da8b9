import type { SpanList } from "../../../core/memory/index.ts";

/** The operations of a storage engine. */
export const IoKind = {
  /** File to memory. */
  Read: 0,
  /** Memory to file. */
  Write: 1,
  /** Everything that was written before becomes stable. */
  Flush: 2,
  /** A range gives its room back, where the file system can; what it reads as is open. */
  Discard: 3,
  /** A range reads as zeroes and keeps its room. */
  Zero: 4,
  /** A range reads as zeroes and may give its room back. */
  ZeroAndFree: 5,
} as const;

export type IoKind = (typeof IoKind)[keyof typeof IoKind];

/**
 * One request to a storage engine: made once, then filled in and started repeatedly. From
 * `StorageEngine.start` to its completion it belongs to the engine, and the memory of its spans must
 * stay mapped.
 */
export class IoRequest {
  kind: IoKind = IoKind.Read;
  /** Bytes from the start of the file. It starts as a fraction so that the field stays unboxed. */
  position = 0.5;
  /** Bytes to move, or to change; those that are left, while the request is in flight. */
  length = 0;
  /** Guest memory of a read or a write, from byte {@link skip} of span {@link span} on. */
  readonly spans: SpanList;
  span = 0;
  skip = 0;
  /** The outcome: 0, or the errno of the failure. */
  error = 0;
  /** Identifies the request in its engine; no two requests of an engine have the same. */
  readonly slot: number;
  /** For engines: the bounce buffer in use, or -1. */
  bounce = -1;
  /** For engines: bytes of the system call in flight. */
  step = 0;
  /** For engines: the file system cannot change ranges, and zeroes are written instead. */
  writesZeroes = false;

  constructor(slot: number, spans: SpanList) {
    this.slot = slot;
    this.spans = spans;
  }

  /** Sets where the data begins: byte `skip`, counted from the first byte of span `span`. */
  seek(span: number, skip: number): void {
    const { spans } = this;
    while (span < spans.count && skip >= (spans.lengths[span] ?? 0)) {
      skip -= spans.lengths[span] ?? 0;
      span += 1;
    }
    this.span = span;
    this.skip = skip;
  }

  /** Moves on by `count` bytes that were transferred. */
  advance(count: number): void {
    this.position += count;
    this.length -= count;
    if (this.kind <= IoKind.Write) this.seek(this.span, this.skip + count);
  }

  /** Marks the memory of the request broken, after the kernel found it gone (EFAULT). */
  markBroken(): void {
    for (let span = this.span; span < this.spans.count; span += 1)
      this.spans.windows[span]?.mapping.markBroken();
  }
}
