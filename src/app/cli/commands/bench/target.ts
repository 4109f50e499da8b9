import type { BenchReport } from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { targetName, withBackend } from "../../exec-backend.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { failureOf } from "./course.ts";
import type { PublishOptions, Workload } from "./publish.ts";

/** Options of a bench that measures one target or several. */
export interface TargetOptions extends PublishOptions {
  /** Commands that are back-ends, with `{socket}` where the path goes. */
  readonly exec?: readonly string[] | undefined;
  readonly listen?: true | undefined;
  /** Number of runs of each target; default 1, with several targets 5. */
  readonly runs?: number | undefined;
}

/** A measurement, for any target. */
export interface Bench {
  readonly workload: Workload;
  /** The error when nothing completed. */
  readonly nothing: string;
  /**
   * Measures the back-end on a socket once.
   *
   * @param target its name in the report
   */
  readonly measure: (socket: string, target: string) => Promise<Measured>;
}

/** One run. */
export interface Measured {
  readonly report: BenchReport;
  /** The reason why the run ended early; undefined if it did not. */
  readonly failure: unknown;
}

/** A socket or a command. */
export interface Target {
  readonly socket?: string;
  readonly exec?: string;
}

/**
 * Measures one target once.
 *
 * @param onEarlyEnd receives what was measured before the run failed
 * @throws why the run failed
 */
export async function measureTarget(
  bench: Bench,
  target: Target,
  { listen }: TargetOptions,
  context: Context,
  onEarlyEnd: (report: BenchReport) => void,
): Promise<BenchReport> {
  return withBackend(target.socket, { exec: target.exec, listen }, context, async ({ socket }) => {
    const { report, failure } = await bench.measure(socket, targetName(target.socket, target));
    if (failure === undefined) return report;
    onEarlyEnd(report);
    throw failureOf(failure);
  });
}

/** @throws {CommandError} nothing completed */
export function expectRequests({ requests }: BenchReport, { nothing }: Bench): void {
  if (requests === 0) throw new CommandError(ExitCode.Failed, nothing);
}
