/**
 * The ways to wait for work in a ring. `event`: sleep until its descriptor is signalled. `poll`:
 * look at the ring all the time, at the cost of a processor. `hybrid`: poll for a moment after the
 * last work, then sleep like `event`.
 */
export type RingMode = "event" | "poll" | "hybrid";

export const RING_MODES: readonly RingMode[] = ["event", "poll", "hybrid"];

/** Default time that `hybrid` polls before it sleeps, milliseconds. */
export const SPIN_MS = 0.05;

/** Kicks of a ring without chains that are reported until its first chain comes. */
export const MAX_IDLE_KICKS = 4;
