import { countOf, type GroupResult, type TestResult, type Verdict } from "./model.ts";

const MARKS: Readonly<Record<Verdict, string>> = {
  pass: "✓ PASS",
  fail: "✗ FAIL",
  skip: "- SKIP",
};

export function groupHeading(title: string): string {
  return `=== ${title} ===`;
}

/** A result as lines: verdict and title, the reason, what was seen. */
export function resultLines(
  { title, verdict, reason, notes }: TestResult,
  mark: (verdict: Verdict, text: string) => string = (_verdict, text) => text,
): string[] {
  const why = reason === undefined ? [] : reason.split("\n").map((line) => `    ${line}`);
  return [
    `${mark(verdict, MARKS[verdict])}: ${title}`,
    ...why,
    ...notes.map((note) => `    ${note}`),
  ];
}

/** `Total tests: 4, Passed: 3, Failed: 1`; skipped ones are named when there are any. */
export function totalsLine(groups: readonly GroupResult[]): string {
  const [passed, failed, skipped] = [
    countOf(groups, "pass"),
    countOf(groups, "fail"),
    countOf(groups, "skip"),
  ];
  const more = skipped > 0 ? `, Skipped: ${skipped}` : "";
  return `Total tests: ${passed + failed + skipped}, Passed: ${passed}, Failed: ${failed}${more}`;
}
