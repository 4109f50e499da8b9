import { UsageError } from "../../../../core/base/index.ts";

const DEFAULT_PERIOD_MS = 60_000;

export interface EntropyBudgetOptions {
  /** Bytes that may be delivered in one period. Default: any number. */
  readonly maxBytes?: number | undefined;
  /** The length of a period, milliseconds. Default 60,000. */
  readonly periodMs?: number | undefined;
  /** Returns the time, milliseconds. Default: the monotonic clock of the process. */
  readonly now?: (() => number) | undefined;
}

/**
 * Limits how many random bytes are delivered in a period, for all devices that share it. A period
 * begins with the first request after the end of the one before.
 *
 * @example
 * ```ts
 * import { EntropyBudget, RngDevice } from "vhost-user/devices/rng";
 *
 * const budget = new EntropyBudget({ maxBytes: 4096, periodMs: 1000 });
 * const devices = [new RngDevice({ budget }), new RngDevice({ budget })];
 * console.log(devices.length, budget.maxBytes);
 * ```
 */
export class EntropyBudget {
  readonly maxBytes: number;
  readonly periodMs: number;
  readonly #now: () => number;
  #left: number;
  #end = -Infinity;

  /** @throws {UsageError} the bytes or the period are not positive */
  constructor(options: EntropyBudgetOptions = {}) {
    const { maxBytes = Infinity, periodMs = DEFAULT_PERIOD_MS, now } = options;
    if (maxBytes !== Infinity && !(Number.isSafeInteger(maxBytes) && maxBytes > 0))
      throw new UsageError(`maxBytes must be a positive whole number, not ${maxBytes}`);
    if (!(periodMs > 0 && periodMs < 2 ** 31))
      throw new UsageError(`periodMs must be positive and below 2^31, not ${periodMs}`);
    this.maxBytes = maxBytes;
    this.periodMs = periodMs;
    this.#left = maxBytes;
    this.#now = now ?? (() => performance.now());
  }

  /** Returns how many of the wanted bytes may be delivered now, and subtracts them. */
  take(wanted: number): number {
    if (this.maxBytes === Infinity) return wanted;
    const now = this.#now();
    if (now >= this.#end) {
      this.#left = this.maxBytes;
      this.#end = now + this.periodMs;
    }
    const taken = Math.min(wanted, this.#left);
    this.#left -= taken;
    return taken;
  }

  /** Returns the time until {@link take} may deliver something, milliseconds; 0 if it may now. */
  get waitMs(): number {
    return this.#left > 0 ? 0 : Math.max(0, this.#end - this.#now());
  }
}
