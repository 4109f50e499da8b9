/**
 * The verdict on a case. ERROR means that the case itself broke, not what it judges. XFAIL and XPASS
 * are measured against a baseline: a known finding, and a known finding that is gone.
 */
export type Verdict = "PASS" | "FAIL" | "WARN" | "SKIP" | "INFO" | "ERROR" | "XFAIL" | "XPASS";

/** All verdicts, in the order in which reports count them. */
export const VERDICTS: readonly Verdict[] = [
  "PASS",
  "FAIL",
  "WARN",
  "SKIP",
  "INFO",
  "ERROR",
  "XFAIL",
  "XPASS",
];

/** The number of results with each verdict. */
export type VerdictCounts = Readonly<Record<Verdict, number>>;

/** The least verdict that fails a run. With `"warn"`, WARN does, like FAIL, ERROR and XPASS. */
export const FAIL_ON = ["fail", "warn"] as const;
export type FailOn = (typeof FAIL_ON)[number];

const FAILURES: ReadonlySet<Verdict> = new Set(["FAIL", "ERROR", "XPASS"]);

/** Returns whether a verdict fails its run. */
export function isFailure(verdict: Verdict, failOn?: FailOn): boolean {
  return FAILURES.has(verdict) || (failOn === "warn" && verdict === "WARN");
}

/** Returns whether a verdict calls for a person's attention: FAIL, WARN, ERROR and XPASS. */
export function needsAttention(verdict: Verdict): boolean {
  return isFailure(verdict, "warn");
}

/** Counts the results with each verdict. */
export function countVerdicts(
  results: readonly { readonly verdict: Verdict }[],
): Record<Verdict, number> {
  const counts = { PASS: 0, FAIL: 0, WARN: 0, SKIP: 0, INFO: 0, ERROR: 0, XFAIL: 0, XPASS: 0 };
  for (const { verdict } of results) counts[verdict] += 1;
  return counts;
}

/** Returns how many results fail the run. */
export function countFailures(counts: VerdictCounts, failOn?: FailOn): number {
  return VERDICTS.reduce((sum, each) => sum + (isFailure(each, failOn) ? counts[each] : 0), 0);
}
