import { type JunitOptions, junitXml } from "./junit.ts";
import type { GroupResult, ReportTool } from "./model.ts";
import { countVerdicts } from "./verdict.ts";

/** The document of `test --json`. */
export interface TestReport {
  readonly schemaVersion: 1;
  readonly kind: "test";
  readonly tool: ReportTool;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** True if the run was interrupted, so that results are missing. */
  readonly partial: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly groups: readonly GroupResult[];
}

/** Returns how many results of the groups passed, failed and were skipped. */
export function testTotals(
  groups: readonly GroupResult[],
): Pick<TestReport, "passed" | "failed" | "skipped"> {
  const { PASS, FAIL, ERROR, SKIP } = countVerdicts(groups.flatMap(({ results }) => results));
  return { passed: PASS, failed: FAIL + ERROR, skipped: SKIP };
}

/** Makes the document of a run from the results of its groups. */
export function createTestReport(
  version: string,
  startedAt: Date,
  durationMs: number,
  groups: readonly GroupResult[],
  partial = false,
): TestReport {
  return {
    schemaVersion: 1,
    kind: "test",
    tool: { name: "vhost-user", version },
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    partial,
    ...testTotals(groups),
    groups,
  };
}

/** Returns the report as JUnit XML: one suite for each group. */
export function testJunit({ groups, durationMs, startedAt }: TestReport): string {
  const options: JunitOptions = { name: "vhost-user", durationMs, startedAt };
  return junitXml(groups, options);
}
