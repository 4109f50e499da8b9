import { asError } from "../../../../core/base/index.ts";
import {
  type BenchComparison,
  type BenchReport,
  compareRuns,
  comparisonHtml,
  comparisonLines,
} from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { targetName } from "../../exec-backend.ts";
import { CommandError, exitCodeOf } from "../../exit-code.ts";
import { saveUserFile } from "../../files.ts";
import { fitText } from "../../text-width.ts";
import { describeEnvironment } from "./environment.ts";
import { endOf, type PublishOptions } from "./publish.ts";
import {
  type Bench,
  expectRequests,
  measureTarget,
  type Target,
  type TargetOptions,
} from "./target.ts";

/** Columns of a target's name in the progress line, so that the rate stays visible. */
const NAME_COLUMNS = 30;

/**
 * Measures every target several times in alternation. The order is reversed in every second round,
 * so that a drift of the machine affects all targets alike. When a run fails, the result has the
 * runs before it.
 *
 * @throws {CommandError} a target failed; the message begins with its name
 */
export async function benchComparison(
  bench: Bench,
  targets: readonly Target[],
  options: TargetOptions & { readonly runs: number },
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const all = targets.map((target) => ({
    target,
    name: targetName(target.socket, target),
    reports: new Array<BenchReport>(),
  }));
  const count = options.runs * all.length;
  let begun = 0;
  let failure: unknown;
  for (const { target, name, reports } of alternated(all, options.runs)) {
    begun += 1;
    output.progressPrefix = `run ${begun} of ${count}, ${fitText(name, NAME_COLUMNS)}: `;
    try {
      signal.throwIfAborted();
      const report = await measureTarget(bench, target, options, context, () => undefined);
      expectRequests(report, bench);
      reports.push(report);
    } catch (error) {
      failure = signal.aborted ? signal.reason : targetError(name, error);
      break;
    } finally {
      output.progressPrefix = "";
    }
  }
  const runs = all.map(({ name, reports }) => ({ target: name, reports }));
  const head = {
    ...bench.workload,
    runs: options.runs,
    ...endOf(failure, signal),
    environment: describeEnvironment(),
  };
  if (runs.some(({ reports }) => reports.length > 0))
    publishComparison(compareRuns(head, runs), options, context);
  if (failure !== undefined) throw failure;
}

/** Yields A, B, B, A, A, B … */
export function* alternated<T>(items: readonly T[], rounds: number): Generator<T> {
  for (let round = 0; round < rounds; round += 1)
    yield* round % 2 === 0 ? items : [...items].reverse();
}

/**
 * Adds the name of the target, where the message does not begin with it, as those about a path do. The
 * exit code is that of the same failure of a single target.
 */
function targetError(name: string, error: unknown): CommandError {
  const text = asError(error).message;
  const message = text.startsWith(`${name}: `) ? text : `${name}: ${text}`;
  return new CommandError(exitCodeOf(error), message, { cause: error });
}

function publishComparison(
  comparison: BenchComparison,
  { json, jsonFile, html }: PublishOptions,
  { output }: Context,
): void {
  if (json) output.json(comparison);
  else for (const line of comparisonLines(comparison)) output.print(line);
  for (const warning of comparison.warnings) output.note(`warning: ${warning}`);
  if (jsonFile !== undefined)
    saveUserFile(jsonFile, `${JSON.stringify(comparison, null, 2)}\n`, true);
  if (html !== undefined) saveUserFile(html, comparisonHtml(comparison), true);
}
