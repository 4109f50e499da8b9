import { readFileSync } from "node:fs";
import { isRecord, recordOf, UsageError } from "../../../../core/base/index.ts";
import {
  benchHtml,
  benchLines,
  type BenchReport,
  findRegression,
  workloadDifferences,
} from "../../../../lab/results/index.ts";
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

/** The part of a report that is known before the measurement. */
export type Workload = Pick<BenchReport, "bench" | "options">;

/**
 * Reads the earlier run that the result is to be compared with.
 *
 * @throws {UsageError} it is none, it did not run to its end, or it measured another workload
 */
export function readBaseline(
  { baseline }: PublishOptions,
  workload: Workload,
): BenchReport | undefined {
  if (baseline === undefined) return undefined;
  const remedy = "make one with --json-file";
  const text = withUserFile(baseline, "a report of an earlier run", remedy, () =>
    readFileSync(baseline, "utf8"),
  );
  const report = parseReport(text);
  if (report === undefined) {
    throw new UsageError(`${baseline} is not a report of an earlier run; ${remedy}`);
  }
  if (report.partial)
    throw new UsageError(`${baseline} is the result of a run that ended early; ${remedy}`);
  const different = workloadDifferences(workload, report);
  if (different.length === 0) return report;
  throw new UsageError(
    `${baseline} measured another workload: ${different.join(", ")}; ` +
      "use the same options, or a baseline of this workload",
  );
}

function parseReport(text: string): BenchReport | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isReport(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isReport(value: unknown): value is BenchReport {
  const { schemaVersion, kind, requests, options } = recordOf(value);
  const isNumber = typeof requests === "number";
  return schemaVersion === 1 && kind === "bench" && isNumber && isRecord(options);
}

/** Returns the fields of a report about the end of a run. */
export function endOf(
  failure: unknown,
  signal: AbortSignal,
): Pick<BenchReport, "partial" | "endedBy"> {
  if (failure === undefined) return { partial: false };
  const reason: unknown = signal.aborted ? signal.reason : failure;
  return { partial: true, endedBy: reason instanceof Error ? reason.message : String(reason) };
}

/** Prints and saves what was measured before a run ended early. */
export function publishPartial(
  report: BenchReport,
  options: PublishOptions,
  context: Context,
): void {
  if (report.requests > 0 || context.signal.aborted) publish(report, options, undefined, context);
}

/**
 * Prints and saves the result. Only that of a run which ran to its end is compared.
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
  const worse = baseline && !report.partial && findRegression(report, baseline, options.tolerance);
  if (typeof worse === "string") throw new CommandError(ExitCode.Failed, worse);
}
