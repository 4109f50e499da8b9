import { readFileSync } from "node:fs";
import { recordOf, UsageError } from "../../../../core/base/index.ts";
import {
  type ConformanceReport,
  conformanceText,
  conformanceTotals,
  type FailOn,
  mergeReports,
} from "../../../../lab/results/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import { ResultPrinter } from "../../result-printer.ts";
import { expectJudged, expectNoFailures } from "./run.ts";
import { prepareReports, type ReportFiles, writeReports } from "./reports.ts";

export interface MergeOptions extends CommonOptions, ReportFiles {
  readonly json?: true | undefined;
  readonly failOn: FailOn;
}

/** Puts the reports of shards together. */
export function runMerge(files: readonly string[], options: MergeOptions, context: Context): void {
  const reports = files.map(readReport);
  prepareReports(options);
  const report = mergeReports(reports);
  writeReports(report, options, options.failOn);
  if (options.json) context.output.json(report);
  const printer = new ResultPrinter(conformanceText, options, context);
  if (options.verbose) for (const result of report.results) printer.result(result);
  printer.failures(report.results);
  printer.say(conformanceTotals(report));
  expectNoFailures(report, options.failOn);
  expectJudged(report);
}

function readReport(path: string): ConformanceReport {
  const text = withUserFile(path, "a report of conform --json-file", "make it first", () =>
    readFileSync(path, "utf8"),
  );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isReport(value)) return value;
  throw new UsageError(
    `${path} is not a report of conform --json-file with schemaVersion 1; make it again with this version`,
  );
}

function isReport(value: unknown): value is ConformanceReport {
  const { schemaVersion, kind, results } = recordOf(value);
  return schemaVersion === 1 && kind === "conformance" && Array.isArray(results);
}
