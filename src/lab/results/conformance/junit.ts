import { attribute, escape, seconds, toSecond } from "../xml.ts";
import type { ConformanceReport, ConformanceResult, ConformanceVerdict } from "./model.ts";

const FAILS: ReadonlySet<ConformanceVerdict> = new Set(["FAIL", "XPASS"]);

/** The report as JUnit XML: a suite a section. @param strict WARN is a failure as well */
export function conformanceJunit(report: ConformanceReport, strict: boolean): string {
  const { results, durationMs, startedAt } = report;
  const sections = [...new Set(results.map(sectionOf))];
  const sums = sumsOf(results, strict);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="vhost-user conform" ${sums} time="${seconds(durationMs)}">`,
    ...sections.map((section) => {
      const mine = results.filter((result) => sectionOf(result) === section);
      const ms = mine.reduce((sum, result) => sum + result.durationMs, 0);
      return [
        `  <testsuite name="${attribute(section)}" ${sumsOf(mine, strict)} time="${seconds(ms)}" ` +
          `skipped="${mine.filter(({ verdict }) => verdict === "SKIP").length}" timestamp="${toSecond(startedAt)}">`,
        ...mine.map((result) => testCase(result, strict)),
        "  </testsuite>",
      ].join("\n");
    }),
    "</testsuites>",
    "",
  ].join("\n");
}

function sectionOf({ id }: ConformanceResult): string {
  return id.slice(0, id.indexOf("/"));
}

function failed({ verdict }: ConformanceResult, strict: boolean): boolean {
  return FAILS.has(verdict) || (strict && verdict === "WARN");
}

function sumsOf(results: readonly ConformanceResult[], strict: boolean): string {
  const failures = results.filter((result) => failed(result, strict)).length;
  const errors = results.filter(({ verdict }) => verdict === "ERROR").length;
  return `tests="${results.length}" failures="${failures}" errors="${errors}"`;
}

function testCase(result: ConformanceResult, strict: boolean): string {
  const { id, title, verdict, reason = "", durationMs, exchange, values } = result;
  const name = attribute(`${id} ${title}`);
  const head = `    <testcase classname="vhost-user.${attribute(sectionOf(result))}" name="${name}" time="${seconds(durationMs)}"`;
  const story = escape([reason, ...exchange, `again: ${result.repeat}`].join("\n"));
  if (failed(result, strict)) {
    return `${head}><failure message="${attribute(reason)}">${story}</failure></testcase>`;
  }
  if (verdict === "ERROR") {
    return `${head}><error message="${attribute(reason)}">${story}</error></testcase>`;
  }
  if (verdict === "SKIP") return `${head}><skipped message="${attribute(reason)}"/></testcase>`;
  const notes = verdict === "PASS" ? values : [`${verdict}: ${reason}`, ...values];
  if (notes.length === 0) return `${head}/>`;
  return `${head}><system-out>${escape(notes.join("\n"))}</system-out></testcase>`;
}
