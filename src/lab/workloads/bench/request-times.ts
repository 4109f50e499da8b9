import { createHistogram, performance, type RecordableHistogram } from "node:perf_hooks";
import { PerSecond } from "./per-second.ts";
import type { Schedule } from "./schedule.ts";

/**
 * Records the duration of each request of a load. It reads the clock and writes the histogram after
 * the next request was submitted: at depth 1 the device would wait for both otherwise.
 */
export class RequestTimes {
  /** Nanoseconds. */
  readonly latency: RecordableHistogram = createHistogram();
  /** Requests that count, and when the last of them completed. */
  counted = 0;
  last = 0;
  /** The clock as it was read last, see {@link settle}. */
  now = performance.now();
  readonly #schedule: Schedule;
  /** Start times by slot, milliseconds of the clock. */
  readonly #since: Float64Array;
  /** Slots that began since the clock was read. */
  readonly #begun: Int32Array;
  #begunCount = 0;
  /** Start times of the requests that have completed since the last look at the clock. */
  readonly #ended: Float64Array;
  #endedCount = 0;

  readonly #perSecond: PerSecond;

  constructor(schedule: Schedule, slots: number, durationMs: number | undefined) {
    this.#schedule = schedule;
    this.#perSecond = new PerSecond(durationMs);
    this.#since = new Float64Array(slots);
    this.#begun = new Int32Array(slots);
    this.#ended = new Float64Array(slots);
  }

  /** Requests that count, in each second. */
  get perSecond(): readonly number[] {
    return this.#perSecond.counts;
  }

  /** A slot's request is submitted; `due` is negative where its time is that of the submission. */
  begin(slot: number, due: number): void {
    if (due >= 0) {
      this.#since[slot] = due;
      return;
    }
    this.#begun[this.#begunCount] = slot;
    this.#begunCount += 1;
  }

  /** A slot's request completed; the slot may begin again at once. */
  end(slot: number): void {
    this.#ended[this.#endedCount] = this.#since[slot] ?? 0;
    this.#endedCount += 1;
  }

  /** Reads the clock for all that began or ended since. To be called after each publish. */
  settle(): void {
    const now = performance.now();
    this.now = now;
    for (let i = 0; i < this.#begunCount; i += 1) this.#since[this.#begun[i] ?? 0] = now;
    this.#begunCount = 0;
    const before = this.counted;
    for (let i = 0; i < this.#endedCount && this.#schedule.isCounted(now); i += 1) {
      this.latency.record(Math.max(1, Math.round((now - (this.#ended[i] ?? 0)) * 1e6)));
      this.counted += 1;
      this.last = now;
      this.#schedule.counted(this.counted);
    }
    this.#endedCount = 0;
    if (this.counted > before)
      this.#perSecond.add(now - this.#schedule.begin, this.counted - before);
  }
}
