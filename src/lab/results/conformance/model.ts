import type { CaseResult, ReportTool } from "../model.ts";
import { countVerdicts, type VerdictCounts } from "../verdict.ts";

/** The program that was judged. */
export interface ConformanceTarget {
  /** Path or command line. */
  readonly name: string;
  readonly device: string | null;
  /** Features that a back-end offers, in hexadecimal. */
  readonly virtioFeatures: string | null;
  readonly protocolFeatures: string | null;
}

/** The document of `conform --json`. */
export interface ConformanceReport {
  readonly schemaVersion: 1;
  readonly kind: "conformance";
  readonly tool: ReportTool;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly target: ConformanceTarget;
  readonly seed: number;
  readonly counts: VerdictCounts;
  /** Number of checks with a verdict on their rule: neither SKIP nor INFO nor ERROR. */
  readonly judged: number;
  /** Number of checks that apply to the target and could not be judged; their verdict is SKIP. */
  readonly notJudged: number;
  readonly results: readonly CaseResult[];
}

/** The input of {@link createConformanceReport}. */
export interface ConformanceRun {
  /** The version of this package. */
  readonly version: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly target: ConformanceTarget;
  readonly seed: number;
  readonly results: readonly CaseResult[];
}

/** Makes the document of a run from its results. */
export function createConformanceReport(run: ConformanceRun): ConformanceReport {
  const { version, startedAt, durationMs, target, seed, results } = run;
  return {
    schemaVersion: 1,
    kind: "conformance",
    tool: { name: "vhost-user", version },
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    target,
    seed,
    ...tallyOf(results),
    results,
  };
}

/** Returns how many results there are of each kind. */
export function tallyOf(
  results: readonly CaseResult[],
): Pick<ConformanceReport, "counts" | "judged" | "notJudged"> {
  const counts = countVerdicts(results);
  return {
    counts,
    judged: results.length - counts.SKIP - counts.INFO - counts.ERROR,
    notJudged: results.filter(({ notJudged }) => notJudged).length,
  };
}
