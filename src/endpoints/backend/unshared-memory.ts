import { MemoryAccessError } from "../../core/base/index.ts";
import { type MemoryView, type RegionTable, SHARE_HINT } from "../../core/memory/index.ts";
import type { VringSetup } from "./vring-setup.ts";

/**
 * The bytes of a memory region that are examined: at the start of a machine's memory so large a
 * range is never all zero.
 */
const PROBE_BYTES = 1 << 20;
/** Smaller regions are not a machine's: a program may kick before it has written anything. */
const MIN_MACHINE_BYTES = 16 << 20;

/**
 * Returns whether what the driver writes does not arrive here. QEMU shares a memfd without
 * `share=on` as any other, but its guest has private copies of the pages: the driver kicks a ring
 * that holds nothing but zeroes here, as does the beginning of its region.
 *
 * @param ring was kicked
 */
function isUnshared(memory: RegionTable, ring: VringSetup): boolean {
  const region = memory.regionAt(ring.address?.descriptor ?? 0n);
  if (region === undefined || region.description.size < MIN_MACHINE_BYTES) return false;
  // The device itself writes the used ring.
  const areas = ring.locate();
  if (areas === undefined || !isBlank(areas.descriptors) || !isBlank(areas.driver)) return false;
  return isBlank(region.view(0, PROBE_BYTES));
}

function isBlank({ window, offset, length }: MemoryView): boolean {
  return window.bytes.subarray(offset, offset + length).every((byte) => byte === 0);
}

/** Number of examinations in a session. It is small, as each reads many pages. */
const MAX_EXAMINATIONS = 8;
/** The time that a ring must stay blank after a kick. */
const CONFIRM_MS = 500;

/**
 * Reports, once a session, a driver whose memory is not shared with this process: its requests would
 * never arrive.
 *
 * The memory is examined again {@link CONFIRM_MS} after the kick: a front-end may kick a ring to start
 * it, and write its first request afterwards.
 */
export class SharingWatch {
  #remaining = MAX_EXAMINATIONS;
  #timer: NodeJS.Timeout | undefined;
  readonly #memory: RegionTable;
  readonly #report: (problem: MemoryAccessError) => void;

  constructor(memory: RegionTable, report: (problem: MemoryAccessError) => void) {
    this.#memory = memory;
    this.#report = report;
  }

  /** Examines the memory of a ring that was kicked and had no available chain. */
  onIdleKick(index: number, ring: VringSetup): void {
    if (this.#remaining === 0 || this.#timer !== undefined) return;
    this.#remaining -= 1;
    if (!isUnshared(this.#memory, ring)) return;
    this.#timer = setTimeout(() => this.#confirm(index, ring), CONFIRM_MS);
    this.#timer.unref();
  }

  #confirm(index: number, ring: VringSetup): void {
    this.#timer = undefined;
    if (!this.#isStillUnshared(ring)) return;
    this.#remaining = 0;
    this.#report(
      new MemoryAccessError(
        `ring ${index} was kicked, but it and the beginning of its memory region hold only zeroes: ` +
          `what the driver writes does not arrive here; ${SHARE_HINT}`,
      ),
    );
  }

  /** A ring that the front-end has moved or stopped in between proves nothing. */
  #isStillUnshared(ring: VringSetup): boolean {
    try {
      return isUnshared(this.#memory, ring);
    } catch {
      return false;
    }
  }

  close(): void {
    this.#remaining = 0;
    clearTimeout(this.#timer);
  }
}
