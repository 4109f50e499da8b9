import type { AddressSpace, InflightArea } from "../memory/index.ts";
import type { DriverReports, QueueFault } from "./types.ts";

/** The fault of a peer that truncated the memory of a ring or of its buffers. */
const MEMORY_GONE: QueueFault = {
  reason: "expected shared memory to stay, but the file behind it was truncated or has no room",
  section: "2.7",
};

/** The reasons why a device half stops: truncated memory, or a rule that the driver broke. */
export class RingHealth {
  broken: QueueFault | undefined;
  readonly #space: AddressSpace;
  readonly #inflight: InflightArea | undefined;
  readonly #reports: DriverReports | undefined;

  /** @param inflight the record of requests in flight, if there is one */
  constructor(
    space: AddressSpace,
    inflight: InflightArea | undefined,
    reports: DriverReports | undefined,
  ) {
    this.#space = space;
    this.#inflight = inflight;
    this.#reports = reports;
  }

  /** See `DriverReports.tolerates`; without reports nothing is tolerated. */
  tolerates(feature: string): boolean {
    return this.#reports?.tolerates(feature) === true;
  }

  /** Returns whether the session refuses the use of a feature that was not acknowledged. */
  refuses(feature: string): boolean {
    return this.#reports?.tolerates(feature) === false;
  }

  /** See `FaultControl.fail`. */
  fail(reason: string, section: string): void {
    // Truncated memory reads as zeroes, so an apparent fault of the driver is not the cause.
    if (!this.memoryGone()) this.broken ??= { reason, section };
  }

  /**
   * Returns whether the peer truncated memory. It is checked at the beginning and end of a batch.
   */
  memoryGone(): boolean {
    if (!this.#space.broken && this.#inflight?.broken !== true) return false;
    this.broken ??= MEMORY_GONE;
    return true;
  }

  /** Reports that a chain which is served has a buffer outside of shared memory. */
  unreachable(fault: QueueFault): void {
    this.#reports?.unreachable(fault);
  }
}
