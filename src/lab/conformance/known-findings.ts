import { type Baseline, measure } from "./baseline.ts";
import { needsAttention, type Verdict } from "../results/index.ts";

/** The findings of a run that a baseline contains, and the new ones. */
export interface KnownFindings {
  /** Number of its expectations that were met. */
  readonly known: number;
  /** Ids of checks that found what it does not expect. */
  readonly unknown: readonly string[];
  /** Ids of checks that passed although it expects a failure. */
  readonly missed: readonly string[];
}

/**
 * Holds all results of a run against a baseline.
 *
 * @param version of the target, if it is known
 */
export function knownFindings(
  results: readonly { readonly id: string; readonly verdict: Verdict }[],
  baseline: Baseline,
  version: string | undefined,
): KnownFindings {
  const measured = results.map((result) => ({
    id: result.id,
    verdict: measure(result, baseline, version).verdict,
  }));
  const ids = (holds: (verdict: Verdict) => boolean): string[] => [
    ...new Set(measured.flatMap(({ id, verdict }) => (holds(verdict) ? [id] : []))),
  ];
  return {
    known: ids((verdict) => verdict === "XFAIL").length,
    unknown: ids((verdict) => verdict !== "XPASS" && needsAttention(verdict)),
    missed: ids((verdict) => verdict === "XPASS"),
  };
}
