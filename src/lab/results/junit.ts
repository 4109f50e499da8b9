import type { GroupResult, Report, TestResult } from "./model.ts";
import { attribute, escape, seconds, toSecond } from "./xml.ts";

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
