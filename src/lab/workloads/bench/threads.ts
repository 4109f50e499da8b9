import { onAbort, type RingStall, StalledError } from "../../../core/base/index.ts";
import type { ClientThread } from "../../../endpoints/frontend/index.ts";

/** The options for observing a run of several threads. */
export interface CourseOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
  /** Called when everything is set up and the load begins. */
  readonly onStart?: (() => void) | undefined;
  /** Several times a second. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Milliseconds that a queue may complete none of its requests. Default: no limit. */
  readonly stallMs?: number | undefined;
  /** Milliseconds after which the threads are asked to finish. Default: they end by themselves. */
  readonly endMs?: number | undefined;
}

/** The progress of all queues together. */
export interface LoadProgress {
  /** Since the load began, warm-up included. */
  readonly completed: number;
  readonly inFlight: number;
  /** Milliseconds since the last completion. */
  readonly idleMs: number;
}

/** The main thread's view of a queue that another thread drives. */
export interface WatchedQueue {
  readonly index: number;
  /** See {@link progressBuffer}. */
  readonly progress: SharedArrayBuffer;
  /** True if the buffers in flight wait for frames, which may take any time. */
  readonly isReceiver: boolean;
}

/** The counters of the drivers of all queues. */
export interface ThreadsOutcome {
  readonly results: readonly unknown[];
  /** The reason why the load ended early: the signal's reason, a stall, the connection's error. */
  readonly failure: unknown;
}

/** Milliseconds between two looks at the queues. */
const LOOK_MS = 200;

/** Two u32 of a queue: completions so far, warm-up included; and what is in flight. */
export function progressBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(8);
}

/** Spreads queues over threads, as evenly as they go. */
export function shares<T>(queues: readonly T[], threads: number): T[][] {
  const all = Array.from({ length: threads }, (): T[] => []);
  for (const [i, queue] of queues.entries()) all[i % threads]?.push(queue);
  return all;
}

/**
 * Runs threads to their end, or until something ends them early: what was counted until then is
 * returned as well.
 *
 * @throws {QueueError} a thread failed: nothing is known of its queues
 */
export async function runThreads(
  threads: readonly ClientThread[],
  queues: readonly WatchedQueue[],
  { signal, onStart, onProgress, stallMs = Infinity, endMs }: CourseOptions,
): Promise<ThreadsOutcome> {
  let failure: unknown;
  const leave = (reason: unknown): void => {
    failure ??= reason;
    for (const thread of threads) thread.leave();
  };
  const watch = new Watch(queues);
  const look = (): void => {
    const progress = watch.look();
    onProgress?.(progress);
    const stalled = watch.stalled(stallMs);
    if (stalled.length > 0) leave(new StalledError(stallMs, stalled));
  };
  const abort = (): void => leave(signal?.reason);
  const finish = (): void => {
    for (const thread of threads) thread.finish();
  };
  const timer = setInterval(look, Math.max(10, Math.min(LOOK_MS, stallMs / 4)));
  const end = endMs === undefined ? undefined : setTimeout(finish, endMs);
  const ignoreSignal = onAbort(signal, abort);
  try {
    onStart?.();
    if (signal?.aborted === true) abort();
    for (const thread of threads) thread.go();
    for (const thread of threads) thread.results.catch(leave);
    const results = await Promise.all(threads.map(async (thread) => thread.lastResults));
    await Promise.allSettled(threads.map(async (thread) => thread.results));
    return { results: results.flat(), failure };
  } finally {
    clearInterval(timer);
    clearTimeout(end);
    ignoreSignal();
  }
}

/** Looks at the counters of all queues. */
class Watch {
  readonly #queues: readonly Watched[];
  #completed = 0;
  #activeAt = performance.now();

  constructor(queues: readonly WatchedQueue[]) {
    this.#queues = queues.map((queue) => ({
      ...queue,
      counters: new Uint32Array(queue.progress),
      seen: 0,
      inFlight: 0,
      since: performance.now(),
    }));
  }

  look(): LoadProgress {
    const now = performance.now();
    let inFlight = 0;
    for (const queue of this.#queues) {
      const completed = Atomics.load(queue.counters, 0);
      const before = queue.inFlight;
      queue.inFlight = Atomics.load(queue.counters, 1);
      inFlight += queue.inFlight;
      // A queue that had nothing to do until now has not been waiting.
      if (completed === queue.seen && before > 0) continue;
      if (completed !== queue.seen || inFlight === 0) this.#activeAt = now;
      this.#completed += (completed - queue.seen) >>> 0;
      queue.seen = completed;
      queue.since = now;
    }
    return { completed: this.#completed, inFlight, idleMs: now - this.#activeAt };
  }

  /** Queues whose requests have been in flight for that long, none of them completed. */
  stalled(ms: number): RingStall[] {
    const now = performance.now();
    return this.#queues
      .filter(({ isReceiver, inFlight }) => !isReceiver && inFlight > 0)
      .filter(({ since }) => now - since >= ms)
      .map(({ index, inFlight, since }) => ({ queue: index, inFlight, idleMs: now - since }));
  }
}

interface Watched extends WatchedQueue {
  readonly counters: Uint32Array;
  seen: number;
  inFlight: number;
  since: number;
}
