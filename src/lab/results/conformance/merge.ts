import { type ConformanceReport, tallyOf } from "./model.ts";

/**
 * Parts of one run, made elsewhere, as one report: of the first part's target, with the time of all.
 *
 * @throws {Error} there are none, or two of them hold the same check
 */
export function mergeReports(reports: readonly ConformanceReport[]): ConformanceReport {
  const [first] = reports;
  if (first === undefined) throw new Error("there is no report to merge");
  const results = reports.flatMap((report) => report.results);
  const startedAt = reports.map((report) => report.startedAt).toSorted()[0] ?? first.startedAt;
  const durationMs = reports.reduce((sum, report) => sum + report.durationMs, 0);
  return { ...first, startedAt, durationMs, ...tallyOf(results), results };
}
