import { counted } from "../../../core/base/index.ts";
import type { CaseResult, Finding } from "../model.ts";
import { type Mark, plain, type ResultText, type ResultTextOptions } from "../text.ts";
import {
  type FailOn,
  isFailure,
  needsAttention,
  type VerdictCounts,
  VERDICTS,
} from "../verdict.ts";
import { collapseRepeats, decisiveLines } from "./decisive.ts";

/** Findings that a terminal shows of one case. */
const MAX_FINDINGS = 3;
/** Lines of the target's output that a terminal shows. */
const OUTPUT_LINES = 6;

/**
 * Returns a result as lines for a terminal: for a finding the rule, what was expected and what came,
 * and the messages that decided it.
 */
export function conformanceLines(
  result: CaseResult,
  { mark = plain, verbose = false, spelled = new Set() }: ResultTextOptions = {},
): string[] {
  const { id, title, verdict, reason, strength, section, repeat } = result;
  const head = `${mark(verdict, verdict.padEnd(5))} ${id.padEnd(12)} ${title}`;
  if (!needsAttention(verdict)) {
    const remark = verdict === "INFO" ? result.values.join("; ") : reason;
    return [remark === undefined ? head : `${head} (${remark})`];
  }
  const { findings, exchange } = result;
  const output = collapseRepeats(result.output?.trimEnd().split("\n") ?? []);
  const details = [
    ...(strength === undefined ? [] : [`${strength}, ${section ?? ""}`]),
    ...findingLines(findings, verbose),
    ...(findings.length === 0 && reason !== undefined ? reason.split("\n") : []),
    ...result.values,
    ...(verbose ? exchange : decisiveLines(exchange, spelled)).map((line) => `│ ${line}`),
    ...(verbose ? output : lastLines(output)).map((line) => `┊ ${line}`),
    ...(repeat === undefined ? [] : [`again: ${repeat}`]),
  ];
  return [head, ...details.map((line) => `      ${line}`)];
}

/** Returns one line for each result that fails the run: verdict, id, title and reason. */
export function failureLines(
  results: readonly CaseResult[],
  failOn?: FailOn,
  mark: Mark = plain,
): string[] {
  return results
    .filter(({ verdict }) => isFailure(verdict, failOn))
    .map(({ id, title, verdict, reason = "" }) => {
      const why = reason.split("\n")[0];
      return `${mark(verdict, verdict.padEnd(5))} ${id.padEnd(12)} ${title}: ${why}`;
    });
}

/** Formats checks. */
export const conformanceText: ResultText = { lines: conformanceLines, failures: failureLines };

/** Returns `46 checks: 40 PASS, 2 WARN, 4 SKIP (1 not judged)`. */
export function conformanceTotals({
  counts,
  notJudged,
}: {
  readonly counts: VerdictCounts;
  readonly notJudged: number;
}): string {
  const all = VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0);
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0);
  const more = notJudged > 0 ? ` (${notJudged} not judged)` : "";
  const texts = parts.map(
    (verdict) => `${counts[verdict]} ${verdict}${verdict === "SKIP" ? more : ""}`,
  );
  return `${counted(all, "check")}: ${texts.join(", ")}`;
}

function findingLines(findings: readonly Finding[], verbose: boolean): string[] {
  const shown = verbose ? findings : findings.slice(0, MAX_FINDINGS);
  const left = findings.length - shown.length;
  const more = left > 0 ? [`… ${counted(left, "more finding")}`] : [];
  return [
    ...shown.flatMap(({ message, expected, actual }) => [
      message,
      ...(expected === undefined ? [] : [`  expected  ${expected}`]),
      ...(actual === undefined ? [] : [`  actual    ${actual}`]),
    ]),
    ...more,
  ];
}

function lastLines(lines: readonly string[]): readonly string[] {
  const left = lines.length - OUTPUT_LINES;
  return left <= 0 ? lines : [`… ${counted(left, "line")} …`, ...lines.slice(left)];
}
