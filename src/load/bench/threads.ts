import { onAbort } from "../../base/index.ts";
import type { ClientThread } from "../../frontend/index.ts";
import { StalledError } from "../block-pass.ts";

/** How a run of several threads is watched. */
export interface CourseOptions {
  /** Ends it early; the results are lost. */
  readonly signal?: AbortSignal | undefined;
  /** All is set up, the load begins. */
  readonly onStart?: (() => void) | undefined;
  /** Once a second: what completed since the last call. */
  readonly onSecond?: ((completed: number) => void) | undefined;
  /** How long nothing at all may complete, milliseconds. Default: for ever. */
  readonly stallMs?: number | undefined;
  /** The threads are asked to come to an end after this time, milliseconds. Default: they know. */
  readonly endMs?: number | undefined;
}

/** Spreads queues over threads, as evenly as they go. */
export function shares<T>(queues: readonly T[], threads: number): T[][] {
  const all = Array.from({ length: threads }, (): T[] => []);
  for (const [i, queue] of queues.entries()) all[i % threads]?.push(queue);
  return all;
}

/**
 * Runs threads to their end.
 *
 * @param progress of each queue one u32: completions so far
 * @returns the results of all their queues
 * @throws {StalledError | QueueError}, the connection's error, the signal's reason
 */
export async function runThreads(
  threads: readonly ClientThread[],
  progress: readonly SharedArrayBuffer[],
  { signal, onStart, onSecond, stallMs = Infinity, endMs }: CourseOptions,
): Promise<readonly unknown[]> {
  const counters = progress.map((buffer) => new Uint32Array(buffer));
  const seen = new Uint32Array(counters.length);
  let active = performance.now();
  const look = (): void => {
    let completed = 0;
    for (const [i, counter] of counters.entries()) {
      const now = Atomics.load(counter, 0);
      completed += (now - (seen[i] ?? 0)) >>> 0;
      seen[i] = now;
    }
    if (completed > 0) active = performance.now();
    else if (performance.now() - active >= stallMs)
      for (const thread of threads)
        thread.fail(new StalledError(`requests are out, and none completed within ${stallMs} ms`));
    onSecond?.(completed);
  };
  const finish = (): void => {
    for (const thread of threads) thread.finish();
  };
  const timer = setInterval(look, 1000);
  const end = endMs === undefined ? undefined : setTimeout(finish, endMs);
  const ignoreSignal = onAbort(signal, finish);
  try {
    onStart?.();
    if (signal?.aborted === true) finish();
    for (const thread of threads) thread.go();
    const results = await Promise.all(threads.map(async (thread) => thread.results));
    signal?.throwIfAborted();
    return results.flat();
  } finally {
    clearInterval(timer);
    clearTimeout(end);
    ignoreSignal();
  }
}
