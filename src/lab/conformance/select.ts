import { UsageError } from "../../core/base/index.ts";
import { chapterOf, type Strength } from "../results/index.ts";
import type { CheckInfo } from "./kit/check.ts";
import { isInProfile, type Profile } from "./profiles.ts";

/** The checks to run. */
export interface Selection {
  /** Ids, ids with `*`, sections; any of them. Left out: all of the profile. */
  readonly only?: readonly string[] | undefined;
  /** The same patterns, for checks to leave out. */
  readonly except?: readonly string[] | undefined;
  /** Default: `standard`; with {@link only}: `all`, as who names a check wants it made. */
  readonly profile?: Profile | undefined;
  readonly strengths?: readonly Strength[] | undefined;
  /** Part `index`, from 1, of `count` parts that are about equal. */
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
}

/**
 * The checks of a selection, in the catalogue's order.
 *
 * @throws {UsageError} a pattern names none of `checks`
 */
export function selectChecks<C extends CheckInfo>(checks: readonly C[], selection: Selection): C[] {
  const { only, except = [], profile, strengths, shard } = selection;
  const wanted = (only ?? []).map((pattern) => matcher(checks, pattern));
  const unwanted = except.map((pattern) => matcher(checks, pattern));
  return checks
    .filter((check) => only !== undefined || isInProfile(check, profile ?? "standard"))
    .filter((check) => profile === undefined || isInProfile(check, profile))
    .filter((check) => only === undefined || wanted.some((matches) => matches(check)))
    .filter((check) => !unwanted.some((matches) => matches(check)))
    .filter(({ strength }) => strengths === undefined || strengths.includes(strength))
    .filter((_, i) => shard === undefined || i % shard.count === shard.index - 1);
}

/** Returns whether an id fits `section/number`, `section`, or either with `*`. */
export function fits(id: string, pattern: string): boolean {
  const wanted = pattern.includes("/") || pattern.includes("*") ? pattern : `${pattern}/*`;
  const escaped = wanted.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`).test(id);
}

function matcher(checks: readonly CheckInfo[], pattern: string): (check: CheckInfo) => boolean {
  const matches = ({ id }: CheckInfo): boolean => fits(id, pattern);
  if (checks.some(matches)) return matches;
  throw new UsageError(unknownCheck(checks, pattern));
}

/** Makes the error for a pattern that matches none of `checks`. */
export function unknownCheck(checks: readonly CheckInfo[], pattern: string): string {
  const sections = [...new Set(checks.map(chapterOf))].join(", ");
  return (
    `"${pattern}" is not the id of a check (header/1), a pattern (header/*) or a section (${sections}); ` +
    `see --list for all of them`
  );
}
