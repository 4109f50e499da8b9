import type { TracedSession } from "../trace/index.ts";
import { VirtioFeature } from "../../core/protocol/index.ts";
import type { ReplayObjects } from "./objects.ts";

/** Offset of the index in both of a split ring's areas. */
const INDEX = 2n;

/**
 * Writes the indices of an empty ring that begins at its base: the memory of a replay is zero, and a
 * back-end that starts at 21 would see a driver that went backwards. A packed ring of zeroes is empty
 * wherever it begins.
 */
export function emptyRing(index: number, state: TracedSession, objects: ReplayObjects): void {
  const ring = state.rings.get(index);
  if (ring?.addresses === undefined) return;
  if ((state.negotiation.features & VirtioFeature.RingPacked) !== 0n) return;
  const base = (ring.base ?? 0) & 0xffff;
  const bytes = Uint8Array.of(base & 0xff, base >> 8);
  for (const address of [ring.addresses.available, ring.addresses.used]) {
    const place = state.locate(address + INDEX);
    if (place !== undefined) objects.write(place.region.name, Number(place.offset), bytes);
  }
}
