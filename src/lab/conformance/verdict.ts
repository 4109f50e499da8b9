import type { CheckInfo } from "./check.ts";
import { CheckFailure, CheckSkip } from "./failure.ts";
import type { Findings } from "./findings.ts";
import type { CaseResult, Finding, Verdict } from "../results/index.ts";
import { endText, type ProcessEnd } from "./targets/target.ts";

type CheckHead = Pick<CaseResult, "id" | "title" | "strength" | "section">;

/** What a C library, a sanitizer or a language's run time says when a program has a bug. */
const COMPLAINT =
  /Assertion [`'].*failed|(?:Address|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error: |panicked at|stack smashing detected|double free|malloc\(\): |free\(\): /;

/**
 * A target that died of the check, if it did.
 *
 * @param oneSession it may end in an orderly way
 */
export function deathOf(
  oneSession: boolean,
  ends: readonly ProcessEnd[],
  output: string,
): CheckFailure | undefined {
  const end = ends.find(({ signal }) => signal !== null) ?? (oneSession ? undefined : ends[0]);
  // A process in a sandbox of its own hides how it ended, and a sanitizer does not always end it.
  const [complaint] = output.split("\n").filter((text) => COMPLAINT.test(text));
  if (end === undefined && complaint === undefined) return undefined;
  const actual = [end && endText(end), complaint?.trim()].filter(Boolean).join(": ");
  return new CheckFailure("the target's process crashed", {
    grade: "FAIL",
    expected: "a process that goes on",
    actual,
  });
}

/** What a check's findings, and how it ended, come to. */
export function judge(
  { strength }: CheckInfo,
  { warnings, values }: Findings,
  ended: unknown,
): { verdict: Verdict; reason?: string; findings: readonly Finding[] } {
  const warned = warnings.map(findingOf);
  if (ended instanceof CheckSkip) {
    return { verdict: "SKIP", reason: ended.message, findings: warned };
  }
  if (ended instanceof CheckFailure) {
    const verdict = ended.grade ?? (strength === "SHOULD" ? "WARN" : "FAIL");
    const finding = findingOf(ended);
    return { verdict, reason: line(finding), findings: [finding, ...warned] };
  }
  if (ended !== undefined) {
    const reason = ended instanceof Error ? (ended.stack ?? ended.message) : "not an error";
    return { verdict: "ERROR", reason, findings: warned };
  }
  const [first] = warned;
  if (first !== undefined) return { verdict: "WARN", reason: line(first), findings: warned };
  if (strength === "-") return { verdict: "INFO", reason: values.join("; "), findings: [] };
  return { verdict: "PASS", findings: [] };
}

function findingOf({ message, expected, actual }: CheckFailure): Finding {
  return { message, expected, actual };
}

function line({ message, expected, actual }: Finding): string {
  return expected === undefined ? message : `${message}: expected ${expected}, got ${actual}`;
}

/** What a result says of its check. */
export function headOf({ id, title, strength, section }: CheckInfo): CheckHead {
  return { id, title, strength, section };
}

/** The result of a check that was not made. */
export function skipped(check: CheckInfo, reason: string): CaseResult {
  const nothing = { findings: [], values: [], durationMs: 0, exchange: [] };
  return { ...headOf(check), verdict: "SKIP", reason, ...nothing };
}
