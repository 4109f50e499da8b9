import type { CaseResult, GroupResult } from "./model.ts";
import { testTotals } from "./test-report.ts";
import type { Verdict } from "./verdict.ts";

const MARKS: Readonly<Partial<Record<Verdict, string>>> = { PASS: "✓", SKIP: "-" };

/** Colours the verdict of a line; the default leaves it as it is. */
export type Mark = (verdict: Verdict, text: string) => string;

/** Leaves text without colour. */
export const plain: Mark = (_verdict, text) => text;

/** Returns the heading of a group: `=== vhost-user basic tests ===`. */
export function groupHeading(title: string): string {
  return `=== ${title} ===`;
}

/** Returns a test's result as lines: verdict and title, the reason, the recorded values. */
export function testLines(result: CaseResult, mark: Mark = plain): string[] {
  const { title, verdict, reason, values } = result;
  const why = reason === undefined ? [] : reason.split("\n");
  return [
    `${mark(verdict, `${MARKS[verdict] ?? "✗"} ${verdict}`)}: ${title}`,
    ...[...why, ...values].map((line) => `    ${line}`),
  ];
}

/** Returns `Total tests: 4, Passed: 3, Failed: 1`, with the number of skipped tests if there are any. */
export function totalsLine(groups: readonly GroupResult[]): string {
  const { passed, failed, skipped } = testTotals(groups);
  const more = skipped > 0 ? `, Skipped: ${skipped}` : "";
  return `Total tests: ${passed + failed + skipped}, Passed: ${passed}, Failed: ${failed}${more}`;
}
