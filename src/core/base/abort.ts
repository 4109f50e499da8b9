import { TimeoutError } from "./errors/index.ts";

/** Limits of an operation: a deadline, and a signal that ends it early. */
export interface WaitOptions {
  /** Ends the operation early: its promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the promise rejects with {@link TimeoutError}. */
  readonly timeoutMs?: number | undefined;
}

/** Callbacks of each signal that has any. */
const callbacksOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls a function once when the signal aborts. All functions of a signal share one listener: many
 * requests may wait on one signal, and Node.js prints a warning at the eleventh listener.
 *
 * @param callback must not throw; not called for a signal that has already aborted
 * @returns removes the function again; idempotent
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined || signal.aborted) return () => undefined;
  const call = (): void => callback();
  const callbacks = callbacksOf.get(signal) ?? listen(signal);
  callbacks.add(call);
  return () => {
    if (!callbacks.delete(call) || callbacks.size > 0) return;
    callbacksOf.delete(signal);
    signal.removeEventListener("abort", runCallbacks);
  };
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>();
  callbacksOf.set(signal, callbacks);
  signal.addEventListener("abort", runCallbacks, { once: true });
  return callbacks;
}

function runCallbacks({ target }: Event): void {
  const callbacks = callbacksOf.get(target as AbortSignal);
  callbacksOf.delete(target as AbortSignal);
  for (const call of callbacks ?? []) call();
}

/**
 * A promise that its owner resolves or rejects; it rejects early on abort or time-out. Timer and
 * listener are removed as soon as it is settled.
 *
 * @param onTimeout makes the error, so that the message can name what was waited for
 */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #ignoreSignal: () => void;
  #settled = false;

  constructor(options: WaitOptions = {}, onTimeout?: () => Error) {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A caller that awaits the promise gets the rejection. An abort before the first await must not
    // count as an unhandled rejection: Node.js would end the process before its clean-up.
    this.promise.catch(() => undefined);
    const { signal, timeoutMs } = options;
    this.#ignoreSignal = onAbort(signal, () => this.reject(signal?.reason));
    if (signal?.aborted) {
      this.reject(signal.reason);
      return;
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
    this.#ignoreSignal();
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
