import { counted } from "../../../core/base/index.ts";
import type { CaseResult } from "../model.ts";
import { type Mark, plain } from "../text.ts";
import { needsAttention, type VerdictCounts, VERDICTS } from "../verdict.ts";

/** Lines of an exchange that stand in a terminal; reports have all. */
const TERMINAL_LINES = 40;

/** A result as lines for a terminal: what was found, and the exchange that led to it. */
export function conformanceLines(result: CaseResult, mark: Mark = plain): string[] {
  const { id, title, verdict, section, strength, findings, exchange, output, repeat } = result;
  const head = `${mark(verdict, verdict.padEnd(5))} ${id.padEnd(12)} ${title}`;
  const why = result.reason === undefined ? [] : [`      ${result.reason}`];
  const values = result.values.map((value) => `      ${value}`);
  if (!needsAttention(verdict)) return [head, ...(verdict === "INFO" ? values : why)];
  const found = findings.flatMap(({ message, expected, actual }) => [
    `      ${message}`,
    ...(expected === undefined ? [] : [`        expected  ${expected}`]),
    ...(actual === undefined ? [] : [`        actual    ${actual}`]),
  ]);
  return [
    head,
    `      ${strength}, ${section}`,
    ...(found.length > 0 ? found : why),
    ...values,
    ...lastLines(exchange).map((line) => `      │ ${line}`),
    ...lastLines(output?.trimEnd().split("\n") ?? []).map((line) => `      ┊ ${line}`),
    `      again: ${repeat}`,
  ];
}

/** `46 checks: 40 PASS, 2 WARN, 4 SKIP` */
export function conformanceTotals(counts: VerdictCounts): string {
  const all = VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0);
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0);
  return `${counted(all, "check")}: ${parts.map((verdict) => `${counts[verdict]} ${verdict}`).join(", ")}`;
}

function lastLines(lines: readonly string[]): readonly string[] {
  if (lines.length <= TERMINAL_LINES) return lines;
  return [
    `… ${counted(lines.length - TERMINAL_LINES, "line")} before …`,
    ...lines.slice(-TERMINAL_LINES),
  ];
}
