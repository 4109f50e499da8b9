import { junitXml } from "../junit.ts";
import { byChapter } from "../model.ts";
import type { FailOn } from "../verdict.ts";
import type { ConformanceReport } from "./model.ts";

/** Returns the report as JUnit XML: one suite for each chapter. With `"warn"`, WARN is a failure. */
export function conformanceJunit(report: ConformanceReport, failOn?: FailOn): string {
  const { results, durationMs, startedAt } = report;
  const name = "vhost-user conform";
  return junitXml(byChapter(results), { name, durationMs, startedAt, failOn, ids: true });
}
