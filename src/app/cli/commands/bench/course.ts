import { PeerClosedError } from "../../../../core/base/index.ts";
import type { LoadProgress } from "../../../../lab/workloads/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

/** Milliseconds without a completion before the progress line, and then a message, reports it. */
const QUIET_MS = 1000;
const NOTE_MS = 5000;
/** The time over which the rate is computed, in milliseconds. */
const WINDOW_MS = 1000;

export interface CourseOptions {
  /** The unit that completes: `request`, `frame`. */
  readonly noun: string;
  /** Name of the rate: units per second. */
  readonly unit: string;
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up. */
  readonly durationMs: number | undefined;
  /** See `--stall-timeout`; undefined if there is no limit. */
  readonly stallMs: number | undefined;
}

type CourseProgress = Pick<LoadProgress, "completed" | "idleMs"> & Partial<LoadProgress>;

/** Shows how a load goes. */
export interface CourseDisplay {
  readonly onStart: () => void;
  /**
   * Called with the progress. The number in flight is unknown if another program makes the load.
   */
  readonly onProgress: (progress: CourseProgress) => void;
  /** The device is prepared or compared, before or after the load. */
  readonly onPass: (what: string, bytes: number, size: number) => void;
  /** Waits for the load; a connection that is lost once it began is a failure, not a bad target. */
  watch<T>(load: Promise<T>): Promise<T>;
}

export function displayCourse({ output }: Context, options: CourseOptions): CourseDisplay {
  const { noun, stallMs } = options;
  const rate = new Rate();
  let start = performance.now();
  let reached = false;
  let isTracked = false;
  return {
    onStart: () => {
      reached = true;
      start = performance.now();
    },
    onPass: (what, bytes, size) => {
      reached = true;
      output.progress(() => `${what}: ${Math.floor((bytes / size) * 100)} %`);
    },
    onProgress: (progress) => {
      const { completed, inFlight, idleMs } = progress;
      rate.add(performance.now(), completed);
      output.progress(() => line(performance.now() - start, progress, rate.perSecond, options));
      if (idleMs < NOTE_MS || inFlight === 0) isTracked = false;
      else if (!isTracked) {
        isTracked = true;
        const limit =
          stallMs === undefined ? "" : `; gives up after ${stallMs / 1000} s (--stall-timeout)`;
        output.note(`${quiet(noun, idleMs)}${flying(inFlight)}${limit}`);
      }
    },
    watch: async (load) =>
      load.catch((error: unknown) => {
        throw reached ? failureOf(error) : error;
      }),
  };
}

/** Returns the reason why a load ended after it had begun, when its target was reached already. */
export function failureOf(error: unknown): unknown {
  if (!(error instanceof PeerClosedError)) return error;
  return new CommandError(ExitCode.Failed, error.message, { cause: error });
}

function line(
  elapsedMs: number,
  { inFlight, idleMs }: CourseProgress,
  perSecond: number,
  { noun, unit, warmUpMs, durationMs }: CourseOptions,
): string {
  const counted = Math.max(0, elapsedMs - warmUpMs);
  const of = durationMs === undefined ? "" : ` of ${durationMs / 1000}`;
  const when = elapsedMs < warmUpMs ? "warm-up" : `${seconds(counted)}${of} s`;
  const what =
    idleMs >= QUIET_MS && inFlight !== 0
      ? quiet(noun, idleMs)
      : `${Math.round(perSecond).toLocaleString("en-US")} ${unit}`;
  return `${when}: ${what}${flying(inFlight)}`;
}

function quiet(noun: string, idleMs: number): string {
  return `no ${noun} completed for ${seconds(idleMs)} s`;
}

function flying(inFlight: number | undefined): string {
  return inFlight === undefined ? "" : `, ${inFlight} in flight`;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Completions a second, of about the last second. */
class Rate {
  readonly #samples: { readonly at: number; readonly completed: number }[] = [];

  add(at: number, completed: number): void {
    this.#samples.push({ at, completed });
    while (at - (this.#samples[1]?.at ?? at) >= WINDOW_MS) this.#samples.shift();
  }

  get perSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return ((last.completed - first.completed) / (last.at - first.at)) * 1000;
  }
}
