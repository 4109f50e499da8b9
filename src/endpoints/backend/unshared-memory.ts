import type { MemoryView, RegionTable } from "../../core/memory/index.ts";
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
export function isUnshared(memory: RegionTable, ring: VringSetup): boolean {
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
