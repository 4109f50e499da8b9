import { performance } from "node:perf_hooks";

/** The times at which a load begins to count, ends, and has requests due. */
export interface ScheduleOptions {
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up. */
  readonly durationMs: number | undefined;
  /** Requests after the warm-up. */
  readonly requests: number | undefined;
  /** Requests a second; undefined if whenever there is room. */
  readonly rate: number | undefined;
}

/**
 * The course of a load. All times are those of `performance.now()`, milliseconds. Nothing counts
 * before {@link start}.
 */
export class Schedule {
  readonly #options: ScheduleOptions;
  readonly #requests: number;
  readonly #intervalMs: number;
  #begin = Infinity;
  #end = Infinity;
  #due = Infinity;
  #isOver = false;

  constructor(options: ScheduleOptions) {
    const { requests, rate } = options;
    this.#options = options;
    this.#requests = requests ?? Infinity;
    this.#intervalMs = rate === undefined ? 0 : 1000 / rate;
  }

  /** The first request is about to be submitted: the warm-up begins. Idempotent. */
  start(): void {
    if (this.#due !== Infinity) return;
    const { warmUpMs, durationMs = Infinity } = this.#options;
    this.#due = performance.now();
    this.#begin = this.#due + warmUpMs;
    this.#end = this.#begin + durationMs;
  }

  /** The end of the warm-up. */
  get begin(): number {
    return this.#begin;
  }

  /** Returns whether nothing is to be submitted any more. */
  isOver(now: number): boolean {
    return this.#isOver || now >= this.#end;
  }

  /** Returns whether what completes now counts. */
  isCounted(now: number): boolean {
    return now >= this.#begin && now < this.#end && !this.#isOver;
  }

  counted(requests: number): void {
    if (requests >= this.#requests) this.#isOver = true;
  }

  /**
   * Returns the time at which the next request was due, with a rate; negative if none is due. Its
   * latency counts from that time, so that a request that had to wait for room counts as late.
   */
  take(now: number): number {
    if (this.#due > now) return -1;
    const due = this.#due;
    this.#due += this.#intervalMs;
    return due;
  }

  /** µs until the next request is due. */
  dueUs(): number {
    return Math.max(0, Math.ceil((this.#due - performance.now()) * 1000));
  }
}
