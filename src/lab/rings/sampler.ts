/** Chains that one look describes. */
const BUDGET = 256;
/** Of chains that come faster than they can be described, a look describes few: the peers need the processor. */
const LOADED_BUDGET = 32;
/** Steps a millisecond above which rings are loaded. */
const LOADED_RATE = 60;
/** Rest between looks, as a multiple of their cost. */
const REST = 1;
const LOADED_REST = 6;
/** Shortest and longest rest of active rings, milliseconds. */
const MIN_REST_MS = 0.02;
const MAX_SLEEP_MS = 1;
/** Milliseconds without a step after which a ring counts as idle; and the rest then. */
const IDLE_AFTER_MS = 50;
const IDLE_REST_MS = 1;
const LONG_IDLE_AFTER_MS = 2000;
const LONG_IDLE_REST_MS = 5;

/**
 * Looks again and again, as often as it pays: every 0.1 ms while chains move, every 5 ms when nothing
 * does. Its rest is at least as long as the look before it, and longer when the rings are loaded.
 *
 * Timers of Node.js have milliseconds, so a shorter rest sleeps on this thread.
 */
export class Sampler {
  readonly #look: (budget: number) => number;
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #active = 0;
  #before = 0;
  /** Steps a millisecond, smoothed. */
  #rate = 0;

  readonly #sleeps: boolean;

  /**
   * @param look looks once, describes at most `budget` chains, and returns the steps it found
   * @param options `sleeps: false` rests for a millisecond at least, and yields to the event loop meanwhile
   */
  constructor(look: (budget: number) => number, { sleeps = true } = {}) {
    this.#look = look;
    this.#sleeps = sleeps;
  }

  /** Begins. Idempotent. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#active = this.#before = performance.now();
    this.#immediate = setImmediate(this.#tick);
  }

  /** Stops. Idempotent. */
  stop(): void {
    this.#isRunning = false;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
  }

  readonly #tick = (): void => {
    const isLoaded = this.#rate > LOADED_RATE;
    const from = performance.now();
    const steps = this.#look(isLoaded ? LOADED_BUDGET : BUDGET);
    const now = performance.now();
    if (!this.#isRunning) return;
    const sinceMs = Math.max(0.01, from - this.#before);
    this.#before = from;
    const weight = Math.min(1, sinceMs / 20);
    this.#rate += (steps / sinceMs - this.#rate) * weight;
    if (steps > 0) this.#active = now;
    const restMs = this.#restMs(now - this.#active, (now - from) * (isLoaded ? LOADED_REST : REST));
    if (restMs >= MAX_SLEEP_MS || !this.#sleeps) {
      this.#timer = setTimeout(this.#tick, restMs);
      return;
    }
    Atomics.wait(this.#never, 0, 0, restMs);
    this.#immediate = setImmediate(this.#tick);
  };

  #restMs(idleMs: number, costMs: number): number {
    if (idleMs > LONG_IDLE_AFTER_MS) return Math.max(costMs, LONG_IDLE_REST_MS);
    if (idleMs > IDLE_AFTER_MS) return Math.max(costMs, IDLE_REST_MS);
    return Math.max(costMs, MIN_REST_MS);
  }
}
