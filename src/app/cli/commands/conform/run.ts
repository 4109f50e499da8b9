import { counted } from "../../../../core/base/index.ts";
import {
  type ConformanceReport,
  countFailures,
  type FailOn,
} from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { checksFor, chosenDevice } from "./device.ts";
import { judge } from "./judge.ts";
import type { ConformOptions } from "./options.ts";
import { prepareReports, writeReports } from "./reports.ts";
import { listChecks, listed } from "./selection.ts";
import { listBaselines } from "./shipped-baselines.ts";

/**
 * The command.
 *
 * @throws {CommandError} something failed; the signal's reason
 */
export async function runConform(
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<void> {
  const { only, except, profile, strength: strengths, shard, failOn } = options;
  if (options.list) {
    const selection = { only, except, profile, strengths, shard };
    const rows = listed(
      checksFor(await chosenDevice(options)),
      selection,
      options.frontEnd === true,
    );
    return listChecks(rows, options.json === true, context.output);
  }
  if (options.listBaselines) return listBaselines(options.json === true, context.output);
  prepareReports(options);
  const judgement = await judge(socket, options, context);
  if (judgement === undefined) return;
  const { report, stopped } = judgement;
  if (options.json) context.output.json(report);
  writeReports(report, options, failOn);
  context.signal.throwIfAborted();
  if (!options.updateBaseline) expectNoFailures(report, failOn);
  if (stopped !== undefined) throw new CommandError(ExitCode.Failed, stoppedText(report, stopped));
  expectJudged(report);
}

function stoppedText({ counts, results }: ConformanceReport, reason: string): string {
  return `${counts.SKIP} of ${counted(results.length, "check")} skipped: ${reason}`;
}

/** @throws {CommandError} no check has a verdict or a value: the run says nothing of the target */
export function expectJudged({ judged, counts, results }: ConformanceReport): void {
  if (judged > 0 || counts.INFO > 0) return;
  const [first] = results;
  const why = first?.reason === undefined ? "" : `; ${first.id}: ${first.reason}`;
  throw new CommandError(ExitCode.Failed, `0 judged of ${counted(results.length, "check")}${why}`);
}

/** @throws {CommandError} there are some */
export function expectNoFailures({ counts, results }: ConformanceReport, failOn: FailOn): void {
  const failed = countFailures(counts, failOn);
  if (failed === 0) return;
  throw new CommandError(
    ExitCode.Failed,
    `${failed} of ${counted(results.length, "check")} failed`,
  );
}
