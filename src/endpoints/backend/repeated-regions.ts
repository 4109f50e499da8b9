import type { RegionTable } from "../../core/memory/index.ts";
import type { MemoryRegion } from "../../core/protocol/index.ts";

/** Regions that are remembered; more at a time no front-end has. */
const MAX_REMEMBERED = 1024;

/**
 * Counts regions that are added and removed once for every pair of queues: QEMU (7.2) has a vhost
 * device for each pair of a network card, all on one connection, and each of them sends all memory.
 * A repetition adds nothing; the first removal unmaps the memory.
 */
export class RepeatedRegions {
  readonly #memory: RegionTable;
  readonly #most: number;
  /** Repetitions by region. They outlive the region, until as many removals have arrived. */
  readonly #counts = new Map<string, number>();

  /** @param devices how many send the same memory; 1: nothing may be repeated */
  constructor(memory: RegionTable, devices: number) {
    this.#memory = memory;
    this.#most = devices - 1;
  }

  /** Returns whether a region is there already, and may be added once more. */
  added(region: MemoryRegion): boolean {
    const known = this.#memory.regionAt(region.userAddress)?.description;
    if (known === undefined || keyOf(known) !== keyOf(region)) return false;
    const count = this.#counts.get(keyOf(region)) ?? 0;
    if (count >= this.#most) return false;
    if (this.#counts.size >= MAX_REMEMBERED) this.#counts.clear();
    this.#counts.set(keyOf(region), count + 1);
    return true;
  }

  /** Returns whether the removal of a region that was already removed belongs to a repetition. */
  removed(region: MemoryRegion): boolean {
    const count = this.#counts.get(keyOf(region)) ?? 0;
    if (count === 0) return false;
    if (count === 1) this.#counts.delete(keyOf(region));
    else this.#counts.set(keyOf(region), count - 1);
    return true;
  }

  /** The table was replaced as a whole. */
  clear(): void {
    this.#counts.clear();
  }
}

/** Returns the values by which REM_MEM_REG identifies a region. */
function keyOf({ guestAddress, userAddress, size }: MemoryRegion): string {
  return `${guestAddress} ${userAddress} ${size}`;
}
