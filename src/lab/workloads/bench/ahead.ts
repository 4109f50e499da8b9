/** Most requests that are added ahead while the device works on earlier ones. */
const AHEAD = 16;

/** Requests or buffers that a load of some depth has: those with the device, and those laid out ahead. */
export function loadSlots(depth: number): number {
  return depth + Math.min(depth, AHEAD);
}
