import { readFileSync } from "node:fs";
import { UsageError } from "../../../base/index.ts";
import { benchHtml, benchLines, type BenchReport, findRegression } from "../../../report/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { saveUserFile, withUserFile } from "../../files.ts";

/** Options of every bench that say what becomes of the result. */
export interface PublishOptions {
  readonly json?: true | undefined;
  readonly jsonFile?: string | undefined;
  readonly html?: string | undefined;
  readonly baseline?: string | undefined;
  /** Percent. */
  readonly tolerance: number;
}

/** Reads the earlier run that the result is to be compared with. @throws {UsageError} */
export function readBaseline({ baseline }: PublishOptions): BenchReport | undefined {
  if (baseline === undefined) return undefined;
  const remedy = "make one with --json-file";
  const text = withUserFile(baseline, "a report of an earlier run", remedy, () =>
    readFileSync(baseline, "utf8"),
  );
  try {
    const report = JSON.parse(text) as Partial<BenchReport>;
    if (report.schemaVersion === 1 && typeof report.requests === "number")
      return report as BenchReport;
  } catch {
    // Said below.
  }
  throw new UsageError(
    `${baseline}: expected a report of an earlier run, got something else; ${remedy}`,
  );
}

/**
 * Prints and saves the result.
 *
 * @throws {CommandError} it is worse than the baseline allows
 */
export function publish(
  report: BenchReport,
  options: PublishOptions,
  baseline: BenchReport | undefined,
  { output }: Context,
): void {
  if (options.json) output.json(report);
  else for (const line of benchLines(report)) output.print(line);
  for (const warning of report.warnings) output.note(`warning: ${warning}`);
  if (options.jsonFile !== undefined)
    saveUserFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`, true);
  if (options.html !== undefined) saveUserFile(options.html, benchHtml(report), true);
  const worse = baseline && findRegression(report, baseline, options.tolerance);
  if (worse !== undefined) throw new CommandError(ExitCode.Failed, worse);
}
