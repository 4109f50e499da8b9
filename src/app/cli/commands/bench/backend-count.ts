import { delay } from "../../../../core/base/index.ts";
import { PerSecond } from "../../../../lab/workloads/bench/per-second.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

/** The counters of a device so far. */
export interface Count {
  readonly requests: number;
  readonly bytes: number;
}

export interface CountOptions {
  /** Milliseconds of warm-up, from the first request on. */
  readonly warmUpMs: number;
  /** Milliseconds of measurement after the warm-up. */
  readonly durationMs: number;
  readonly signal: AbortSignal;
  /** The load has ended: nothing more comes. */
  readonly isOver: () => boolean;
  /** Milliseconds without a request after which the measurement ends; undefined for no limit. */
  readonly stallMs: number | undefined;
  /** The first request has come. */
  readonly onStart: () => void;
  /** Called with the number of served requests, and the milliseconds since the last one. */
  readonly onLook: (served: number, idleMs: number) => void;
}

/** The result after the warm-up; `requests` is 0 if none arrived. */
export interface CountResult extends Count {
  readonly seconds: number;
  /** Number of requests in each second; the last one may be a part of a second. */
  readonly perSecond: readonly number[];
  /** The load ended first. */
  readonly early: boolean;
  /**
   * The reason why the measurement ended early: the signal's reason, or the load sent no more
   * requests.
   */
  readonly failure: unknown;
}

const LOOK_MS = 20;

/** Measures by a counter that a load of another process drives. */
export async function measureCount(
  count: () => Count,
  options: CountOptions,
): Promise<CountResult> {
  const { warmUpMs, durationMs, signal, isOver, stallMs = Infinity } = options;
  const perSecond = new PerSecond(durationMs);
  let [first, last] = [count(), count()];
  let [start, lastAt] = [0, performance.now()];
  let previousLook = lastAt;
  let isCounting = false;
  let begin: number | undefined;
  let [early, failure]: [boolean, unknown] = [false, undefined];
  for (;;) {
    // Asked first: what is counted after it is all there was.
    early = isOver();
    const [now, at] = [count(), performance.now()];
    const served = now.requests - last.requests;
    if (begin === undefined && now.requests > 0) {
      begin = at;
      options.onStart();
      // Without a warm-up the requests before this look count as well: nothing may follow them.
      if (warmUpMs === 0) [isCounting, start] = [true, previousLook];
    }
    previousLook = at;
    // A load that has ended is measured until its last request was seen.
    if (served > 0) [last, lastAt] = [now, at];
    if (isCounting && served > 0) perSecond.add(at - start, served);
    options.onLook(now.requests, at - lastAt);
    if (early) break;
    if (isCounting && at - start >= durationMs) {
      lastAt = at;
      break;
    }
    if (at - lastAt >= stallMs) {
      const since = begin === undefined ? "" : " any more";
      const message = `the load has sent no request${since} for ${stallMs / 1000} s (--stall-timeout)`;
      failure = new CommandError(ExitCode.Failed, message);
      break;
    }
    if (!isCounting && begin !== undefined && at - begin >= warmUpMs) {
      isCounting = true;
      [first, start] = [now, at];
    }
    try {
      const left = isCounting ? Math.max(1, durationMs - (at - start)) : LOOK_MS;
      await delay(Math.min(LOOK_MS, left), signal);
    } catch (error) {
      failure = error;
      break;
    }
  }
  if (!isCounting) [first, start] = [last, lastAt];
  return {
    requests: last.requests - first.requests,
    bytes: last.bytes - first.bytes,
    seconds: (lastAt - start) / 1000,
    perSecond: perSecond.counts,
    early,
    failure,
  };
}
