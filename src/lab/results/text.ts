import type { CaseResult, GroupResult } from "./model.ts";
import { testTotals } from "./test-report.ts";
import { type FailOn, isFailure, type Verdict } from "./verdict.ts";

const MARKS: Readonly<Partial<Record<Verdict, string>>> = { PASS: "✓", SKIP: "-" };

/** Colours the verdict of a line; the default leaves it as it is. */
export type Mark = (verdict: Verdict, text: string) => string;

/** Leaves text without colour. */
export const plain: Mark = (_verdict, text) => text;

/** The options for formatting a result as text. */
export interface ResultTextOptions {
  /** Colours the verdicts. Default: no colours. */
  readonly mark?: Mark | undefined;
  /** Prints the whole exchange and output. Default: what decided the verdict. */
  readonly verbose?: boolean | undefined;
  /** Lists of features that were spelled out before; the new ones are added. */
  readonly spelled?: Set<string> | undefined;
}

/** The two forms in which results of one kind are printed. */
export interface ResultText {
  /** Returns a result as lines for a terminal. */
  lines(result: CaseResult, options?: ResultTextOptions): readonly string[];
  /** Returns one line for each result that fails the run. */
  failures(results: readonly CaseResult[], failOn?: FailOn, mark?: Mark): readonly string[];
}

/** Returns the heading of a group: `=== vhost-user basic tests ===`. */
export function groupHeading(title: string): string {
  return `=== ${title} ===`;
}

/** Returns a test's result as lines: verdict and title, the reason, the recorded values. */
export function testLines(
  result: CaseResult,
  { mark = plain, verbose = false }: ResultTextOptions = {},
): string[] {
  const { verdict, reason, values, durationMs, exchange, output } = result;
  const observed = [...exchange, ...(output?.trimEnd().split("\n") ?? [])];
  return [
    `${headLine(result, mark)}${verbose && verdict !== "SKIP" ? ` (${durationMs} ms)` : ""}`,
    ...[...(reason?.split("\n") ?? []), ...values, ...(verbose ? observed : [])].map(
      (line) => `    ${line}`,
    ),
  ];
}

/** Returns one line for each test that failed: verdict, title and reason. */
export function testFailureLines(
  results: readonly CaseResult[],
  failOn?: FailOn,
  mark: Mark = plain,
): string[] {
  return results
    .filter(({ verdict }) => isFailure(verdict, failOn))
    .map((result) => `${headLine(result, mark)}: ${result.reason?.split("\n")[0] ?? ""}`);
}

function headLine({ title, verdict }: CaseResult, mark: Mark): string {
  return `${mark(verdict, `${MARKS[verdict] ?? "✗"} ${verdict}`)}: ${title}`;
}

/** Formats the tests of this package. */
export const testText: ResultText = { lines: testLines, failures: testFailureLines };

/** Returns `Total tests: 4, Passed: 3, Failed: 1`, with the number of skipped tests if there are any. */
export function totalsLine(groups: readonly GroupResult[]): string {
  const { passed, failed, skipped } = testTotals(groups);
  const more = skipped > 0 ? `, Skipped: ${skipped}` : "";
  return `Total tests: ${passed + failed + skipped}, Passed: ${passed}, Failed: ${failed}${more}`;
}
