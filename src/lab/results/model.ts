/** What a test came to. */
export type Verdict = "pass" | "fail" | "skip";

export interface TestResult {
  /** A sentence: what holds when it passes. */
  readonly title: string;
  readonly verdict: Verdict;
  /** Why it failed or was skipped. */
  readonly reason?: string | undefined;
  readonly durationMs: number;
  /** What was seen: figures, and lines that explain a failure. */
  readonly notes: readonly string[];
}

export interface GroupResult {
  /** As it is called on the command line. */
  readonly name: string;
  readonly title: string;
  readonly durationMs: number;
  readonly results: readonly TestResult[];
}

/** The shape of `--json`: a contract. */
export interface Report {
  readonly schemaVersion: 1;
  readonly tool: { readonly name: "vhost-user"; readonly version: string };
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** The run was interrupted: tests are missing. */
  readonly partial: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly groups: readonly GroupResult[];
}

export function countOf(groups: readonly GroupResult[], verdict: Verdict): number {
  return groups.reduce(
    (sum, { results }) => sum + results.filter((result) => result.verdict === verdict).length,
    0,
  );
}

/** Sums groups up. */
export function createReport(
  version: string,
  startedAt: Date,
  durationMs: number,
  groups: readonly GroupResult[],
  partial = false,
): Report {
  return {
    schemaVersion: 1,
    tool: { name: "vhost-user", version },
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    partial,
    passed: countOf(groups, "pass"),
    failed: countOf(groups, "fail"),
    skipped: countOf(groups, "skip"),
    groups,
  };
}
