import type { GroupResult, Report, TestResult } from "./model.ts";

/** The report as JUnit XML, the dialect that CI servers read. */
export function toJunit(report: Report): string {
  const { groups, passed, failed, skipped, durationMs } = report;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="vhost-user" tests="${passed + failed + skipped}" failures="${failed}" errors="0" time="${seconds(durationMs)}">`,
    ...groups.map((group) => suite(group, report.startedAt)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite({ name, results, durationMs }: GroupResult, startedAt: string): string {
  const count = (verdict: string): number => results.filter((r) => r.verdict === verdict).length;
  return [
    `  <testsuite name="${attribute(name)}" tests="${results.length}" failures="${count("fail")}" errors="0" ` +
      `skipped="${count("skip")}" time="${seconds(durationMs)}" timestamp="${attribute(toSecond(startedAt))}">`,
    ...results.map((result) => testCase(name, result)),
    "  </testsuite>",
  ].join("\n");
}

function testCase(
  group: string,
  { title, verdict, reason = "", durationMs, notes }: TestResult,
): string {
  const head = `    <testcase classname="vhost-user.${attribute(group)}" name="${attribute(title)}" time="${seconds(durationMs)}"`;
  const outcome =
    verdict === "fail"
      ? `<failure message="${attribute(reason.split("\n")[0] ?? "")}">${escape(reason)}</failure>`
      : verdict === "skip"
        ? `<skipped message="${attribute(reason)}"/>`
        : "";
  const output = notes.length === 0 ? "" : `<system-out>${escape(notes.join("\n"))}</system-out>`;
  return outcome + output === "" ? `${head}/>` : `${head}>${outcome}${output}</testcase>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** ISO 8601 without fractions and zone (it is UTC): all that the format's schemas allow. */
function toSecond(iso: string): string {
  return iso.slice(0, "2026-01-01T00:00:00".length);
}

/** As {@link escape}; a reader would make blanks of tabs and line ends that stand there as such. */
function attribute(text: string): string {
  return escape(text).replaceAll(/[\t\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** XML 1.0 has no way at all to carry most control characters. */
function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    // A reader would make a line feed of it.
    "\r": "&#13;",
  };
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll(/[&<>"\r]/g, (character) => entities[character] ?? character);
}
