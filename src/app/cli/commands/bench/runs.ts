import { UsageError } from "../../../../core/base/index.ts";
import { requireSocketPlace, splitWords } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { expectOneBackend } from "../../exec-backend.ts";
import { benchComparison } from "./comparison.ts";
import { publish, publishPartial, readBaseline } from "./publish.ts";
import {
  type Bench,
  expectRequests,
  measureTarget,
  type Target,
  type TargetOptions,
} from "./target.ts";

const SEVERAL_RUNS = 5;

/**
 * Measures one target once, or several in alternation, and publishes the result.
 *
 * @throws {UsageError} there is no target, or an option cannot be combined with several runs
 * @throws {CommandError} a target failed, nothing completed, or the result is worse than the baseline
 */
export async function runBench(
  bench: Bench,
  sockets: readonly string[],
  options: TargetOptions,
  context: Context,
): Promise<void> {
  const targets = targetsOf(sockets, options);
  const [only, second] = targets;
  const { runs = second === undefined ? 1 : SEVERAL_RUNS } = options;
  if (only === undefined) return expectOneBackend(undefined, undefined);
  if (second !== undefined || runs > 1) {
    if (options.baseline !== undefined)
      throw new UsageError("--baseline cannot be combined with several targets or --runs");
    return benchComparison(bench, targets, { ...options, runs }, context);
  }
  const baseline = readBaseline(options, bench.workload);
  const report = await measureTarget(bench, only, options, context, (partial) =>
    publishPartial(partial, options, context),
  );
  publish(report, options, baseline, context);
  expectRequests(report, bench);
}

/** The sockets first, then the commands. */
function targetsOf(sockets: readonly string[], { exec = [] }: TargetOptions): Target[] {
  for (const command of exec) requireSocketPlace(splitWords(command));
  return [...sockets.map((socket) => ({ socket })), ...exec.map((command) => ({ exec: command }))];
}
