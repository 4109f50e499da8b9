import { TimeoutError } from "./errors.ts";

/** How long an operation may take, and who may end it early. */
export interface WaitOptions {
  /** Rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; rejects with {@link TimeoutError}. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A promise with its two ends in the caller's hands; ends early on abort or time-out. The timer
 * and the listener are gone as soon as it is settled.
 *
 * @param onTimeout makes the error, so that the message can name what was waited for
 */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  #settled = false;

  constructor(options: WaitOptions = {}, onTimeout?: () => Error) {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever waits learns of a rejection. An abort before anybody does is no unhandled one, which
    // would end the process in place of its clean-up.
    this.promise.catch(() => undefined);
    const { signal, timeoutMs } = options;
    if (signal?.aborted) {
      this.reject(signal.reason);
      return;
    }
    if (signal) {
      this.#signal = signal;
      this.#onAbort = (): void => this.reject(signal.reason);
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.reject(onTimeout?.() ?? new TimeoutError(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
    }
  }

  get settled(): boolean {
    return this.#settled;
  }

  resolve(value: T): void {
    if (this.#settle()) this.#resolve(value);
  }

  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

/** Resolves after `ms`; rejects with the signal's reason if that comes first. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  const wait = new Deferred<void>({ signal });
  const timer = setTimeout(() => wait.resolve(), ms);
  try {
    await wait.promise;
  } finally {
    clearTimeout(timer);
  }
}
