/**
 * When a ring is looked at. `event`: when its descriptor says so. `poll`: all the time, whatever it
 * costs. `hybrid`: all the time for a moment after the last work, then as `event`.
 */
export type RingMode = "event" | "poll" | "hybrid";

export const RING_MODES: readonly RingMode[] = ["event", "poll", "hybrid"];

/** Default of how long `hybrid` looks before it sleeps, milliseconds. */
export const SPIN_MS = 0.05;

/** Kicks of a ring without chains that are reported until its first chain comes. */
export const MAX_IDLE_KICKS = 4;
