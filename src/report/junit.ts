import type { GroupResult, Report, TestResult } from "./model.ts";

/** The report as JUnit XML, the dialect that CI servers read. */
export function toJunit(report: Report): string {
  const { groups, passed, failed, skipped, durationMs } = report;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="vhost-user" tests="${passed + failed + skipped}" failures="${failed}" skipped="${skipped}" time="${seconds(durationMs)}">`,
    ...groups.map((group) => suite(group, report.startedAt)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite({ name, results, durationMs }: GroupResult, startedAt: string): string {
  const count = (verdict: string): number => results.filter((r) => r.verdict === verdict).length;
  return [
    `  <testsuite name="${escape(name)}" tests="${results.length}" failures="${count("fail")}" errors="0" ` +
      `skipped="${count("skip")}" time="${seconds(durationMs)}" timestamp="${escape(startedAt)}">`,
    ...results.map((result) => testCase(name, result)),
    "  </testsuite>",
  ].join("\n");
}

function testCase(
  group: string,
  { title, verdict, reason = "", durationMs, notes }: TestResult,
): string {
  const head = `    <testcase classname="vhost-user.${escape(group)}" name="${escape(title)}" time="${seconds(durationMs)}"`;
  const outcome =
    verdict === "fail"
      ? `<failure message="${escape(reason.split("\n")[0] ?? "")}">${escape(reason)}</failure>`
      : verdict === "skip"
        ? `<skipped message="${escape(reason)}"/>`
        : "";
  const output = notes.length === 0 ? "" : `<system-out>${escape(notes.join("\n"))}</system-out>`;
  return outcome + output === "" ? `${head}/>` : `${head}>${outcome}${output}</testcase>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** XML 1.0 has no way at all to carry most control characters. */
function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}
