import { counted } from "../../../core/base/index.ts";
import type { CaseResult } from "../model.ts";
import { needsAttention, type Verdict } from "../verdict.ts";
import type { ConformanceReport } from "./model.ts";
import { conformanceTotals } from "./text.ts";

const MARKS: Readonly<Record<Verdict, string>> = {
  PASS: "✅",
  FAIL: "❌",
  WARN: "⚠️",
  SKIP: "➖",
  INFO: "ℹ️",
  ERROR: "💥",
  XFAIL: "🟡",
  XPASS: "❗",
};
/** A job summary has room for a megabyte; an exchange this long says enough. */
const EXCHANGE_LINES = 60;

/**
 * Formats a job summary: the totals, a table of all verdicts but PASS, and the exchanges behind
 * them.
 */
export function conformanceMarkdown(report: ConformanceReport): string {
  const { target, results } = report;
  const rest = results.filter(({ verdict }) => verdict !== "PASS");
  const rows = rest.map(
    ({ id, verdict, title, reason = "" }) =>
      `| ${MARKS[verdict]} ${verdict} | ${id} | ${cell(title)} | ${cell(reason)} |`,
  );
  return [
    `# vhost-user conformance: ${cell(target.device ?? "unknown device")}`,
    "",
    `${inCode(target.name)}`,
    "",
    `**${conformanceTotals(report)}**`,
    "",
    ...(rows.length === 0
      ? []
      : ["| verdict | check | what must hold | why |", "| --- | --- | --- | --- |", ...rows, ""]),
    ...rest.filter(({ verdict }) => needsAttention(verdict)).flatMap(details),
  ].join("\n");
}

function details({ id, verdict, exchange, repeat = "" }: CaseResult): string[] {
  const left = exchange.length - EXCHANGE_LINES;
  const lines =
    left > 0 ? [`… ${counted(left, "line")} before …`, ...exchange.slice(left)] : exchange;
  return [
    `<details><summary>${id}: ${verdict}</summary>`,
    "",
    fenced([...lines, "", repeat].join("\n")),
    "",
    "</details>",
    "",
  ];
}

function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

function inCode(text: string): string {
  return text.includes("`") ? text : `\`${text}\``;
}

/** One line, nothing that a table or HTML would take for its own. */
function cell(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
