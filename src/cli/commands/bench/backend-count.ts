import { delay } from "../../../base/index.ts";

/** What a device has served so far. */
export interface Count {
  readonly requests: number;
  readonly bytes: number;
}

export interface CountOptions {
  /** From the first request on. */
  readonly warmUpMs: number;
  /** After the warm-up. */
  readonly durationMs: number;
  readonly signal: AbortSignal;
  /** The load has ended: nothing more comes. */
  readonly isOver: () => boolean;
  /** Once a second, with what was served in it. */
  readonly onSecond: (served: number) => void;
}

/** After the warm-up; requests 0: nothing came. */
export interface CountResult extends Count {
  readonly seconds: number;
  /** The load ended first. */
  readonly early: boolean;
}

const LOOK_MS = 20;

/** Measures by a counter, which somebody else drives. @throws the signal's reason */
export async function measureCount(
  count: () => Count,
  { warmUpMs, durationMs, signal, isOver, onSecond }: CountOptions,
): Promise<CountResult> {
  while (count().requests === 0 && !isOver()) await delay(LOOK_MS, signal);
  const end = performance.now() + warmUpMs;
  while (performance.now() < end && !isOver()) await delay(LOOK_MS, signal);
  const first = count();
  const start = performance.now();
  let [last, lastAt, early] = [first, start, false];
  let [second, secondAt] = [first, start];
  for (;;) {
    // Asked first: what is counted after it is all there was.
    early = isOver();
    const [now, at] = [count(), performance.now()];
    // A load that has ended is measured until its last request was seen.
    const changed = now.requests !== last.requests;
    if (changed) [last, lastAt] = [now, at];
    if (early) break;
    if (at - start >= durationMs) {
      lastAt = at;
      break;
    }
    if (at - secondAt >= 1000) {
      onSecond(now.requests - second.requests);
      [second, secondAt] = [now, at];
    }
    await delay(Math.min(LOOK_MS, Math.max(1, durationMs - (at - start))), signal);
  }
  return {
    requests: last.requests - first.requests,
    bytes: last.bytes - first.bytes,
    seconds: (lastAt - start) / 1000,
    early,
  };
}
