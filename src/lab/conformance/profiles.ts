import { chapterOf } from "../results/index.ts";
import type { Tag } from "../engine/index.ts";
import { type CheckInfo, isHostile } from "./kit/check.ts";

const isFrontEnd = (check: CheckInfo): boolean => chapterOf(check) === "fe";
const isBackEnd = (check: CheckInfo): boolean => !isFrontEnd(check);

/** Returns whether a check carries a tag. */
function has({ tags = [] }: CheckInfo, tag: Tag): boolean {
  return tags.includes(tag);
}

/** The checks of each profile. */
const PROFILES = {
  smoke: (check: CheckInfo) => has(check, "smoke"),
  standard: (check: CheckInfo) => isBackEnd(check) && !has(check, "long") && !has(check, "random"),
  hostile: (check: CheckInfo) => isBackEnd(check) && (has(check, "hostile") || isHostile(check)),
  migration: (check: CheckInfo) => has(check, "migration"),
  long: (check: CheckInfo) => has(check, "long"),
  "front-end": isFrontEnd,
  all: isBackEnd,
} as const;

export type Profile = keyof typeof PROFILES;
export const profiles = Object.keys(PROFILES) as Profile[];

/** Returns whether a check belongs to a profile. */
export function isInProfile(check: CheckInfo, profile: Profile): boolean {
  return PROFILES[profile](check);
}
