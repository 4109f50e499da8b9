import type { CheckInfo } from "./check.ts";
import type { CaseResult } from "../results/index.ts";
import { skipped } from "./verdict.ts";

/** Attempts to reach a target, one after another, before it is given up. */
export const ATTEMPTS = 3;

/** The end of a run whose target cannot be reached any more. */
export interface EarlyStop {
  readonly reason: string;
  /** The checks that were not made, all of them SKIP. */
  readonly left: readonly CaseResult[];
}

/**
 * Skips the checks that are left, and reports that once.
 *
 * @param because why each of them is skipped, in a few words
 */
export function stopEarly(
  checks: readonly CheckInfo[],
  reason: string,
  because: string,
  {
    onStop,
    onResult,
  }: {
    readonly onStop?: ((stop: EarlyStop) => void) | undefined;
    readonly onResult?: ((result: CaseResult) => void) | undefined;
  },
): readonly CaseResult[] {
  const left = checks.map((check) => skipped(check, because));
  if (onStop) onStop({ reason, left });
  else for (const result of left) onResult?.(result);
  return left;
}
