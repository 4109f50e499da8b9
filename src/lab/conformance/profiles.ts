import { chapterOf } from "../results/index.ts";
import { type Check, type CheckInfo, isHostile } from "./check.ts";

/** Slow ones: they need time, or very much of something. */
const LONG = new Set(["split/23", "split/24", "hostile/20", "hostile/21", "net/16", "conn/2"]);
const MIGRATION = new Set(["log", "inflight", "devstate", "postcopy", "stop"]);
const HOSTILE = new Set(["hostile", "fuzz", "fd", "framing"]);
/** First numbers of a section that belong to the smoke profile. */
const SMOKE: Readonly<Record<string, number>> = {
  header: 6,
  features: 6,
  proto: 2,
  ack: 2,
  mem: 3,
  vring: 2,
  stop: 1,
  split: 1,
  event: 1,
  config: 1,
  blk: 2,
  net: 2,
  fs: 2,
};

const isFrontEnd = (check: CheckInfo): boolean => chapterOf(check) === "fe";

/** Which checks belong to a profile. */
const PROFILES = {
  smoke: (check: CheckInfo) =>
    check.id === "framing/5" || Number(check.id.split("/")[1]) <= (SMOKE[chapterOf(check)] ?? 0),
  standard: (check: CheckInfo) =>
    !LONG.has(check.id) && chapterOf(check) !== "fuzz" && !isFrontEnd(check),
  hostile: (check: CheckInfo) =>
    !isFrontEnd(check) && (HOSTILE.has(chapterOf(check)) || isHostile(check as Check)),
  migration: (check: CheckInfo) => MIGRATION.has(chapterOf(check)),
  long: (check: CheckInfo) => LONG.has(check.id),
  "front-end": isFrontEnd,
  all: (check: CheckInfo) => !isFrontEnd(check),
} as const;

export type Profile = keyof typeof PROFILES;
export const profiles = Object.keys(PROFILES) as Profile[];

export function isInProfile(check: CheckInfo, profile: Profile): boolean {
  return PROFILES[profile](check);
}
