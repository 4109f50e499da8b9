/**
 * replay: one side of a recorded session, played against a program. {@link replay} reads a capture and
 * plays it.
 */
export { REPLAY_MASKS, type ReplayMode } from "./judge.ts";
export type { ReplayDivergence, ReplayResult } from "./player.ts";
export { replay, type ReplayOptions } from "./replay.ts";
export type { ScriptOptions } from "./script.ts";
