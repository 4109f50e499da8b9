/**
 * `bench compare`: compares our programs with other implementations, run alternately and each pinned to
 * a processor of its own. Programs that are not installed are named and left out.
 */
import { availableParallelism } from "node:os";
import { counted, EnvironmentError, UsageError } from "../../../../../core/base/index.ts";
import { median } from "../../../../../lab/results/index.ts";
import type { Context } from "../../../context.ts";
import { CommandError, ExitCode } from "../../../exit-code.ts";
import { saveUserFile } from "../../../files.ts";
import { describeEnvironment } from "../environment.ts";
import { blockRows } from "./block-rows.ts";
import { latencyRows } from "./latency-rows.ts";
import { netRows } from "./net-rows.ts";
import { compare, type Comparison, geometricMean } from "./pairs.ts";
import { Missing, Programs } from "./programs.ts";
import type { Row, Timing } from "./row.ts";

export interface CompareOptions {
  readonly rows?: string | undefined;
  readonly runs: number;
  /** Milliseconds. */
  readonly runtime: number;
  readonly warmup: number;
  readonly list?: true | undefined;
  readonly json?: true | undefined;
  readonly jsonFile?: string | undefined;
}

/** Every sample is kept: `ours[i]` and `theirs[i]` were taken one right after the other. */
interface CellResult extends Comparison {
  readonly cell: string;
  readonly medianRatio: number;
}

interface RowResult {
  readonly row: string;
  readonly against: string;
  readonly unit: string;
  readonly cells: CellResult[];
  readonly leftOut: { readonly cell: string; readonly why: string }[];
  readonly target: number;
  readonly cellTarget: number;
}

export async function benchCompare(options: CompareOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  const { list, rows: wanted = "", runs: pairs, runtime, warmup } = options;
  if (!list && availableParallelism() < 2)
    throw new EnvironmentError(
      "bench compare needs two processors, one for each side, and this machine has one; run it on a larger machine",
    );
  const programs = new Programs(signal);
  try {
    const all = [...blockRows(programs), ...netRows(programs), ...latencyRows(programs)];
    const rows = all.filter(({ name, against }) => `${name} ${against}`.includes(wanted));
    if (rows.length === 0)
      throw new UsageError(
        `--rows "${wanted}" is not a part of any row's name; see --list for the names`,
      );
    if (list) {
      for (const { name, against } of rows) output.print(`${name} | ${against}`);
      return;
    }
    const timing = { seconds: runtime / 1000, warmUpSeconds: warmup / 1000 };
    const results: RowResult[] = [];
    const environment = describeEnvironment();
    let failure: unknown;
    try {
      for (const row of rows)
        await measure(row, results, { timing, pairs, json: options.json === true }, context);
    } catch (error) {
      failure = signal.aborted ? signal.reason : error;
    }
    const partial = failure !== undefined;
    const endedBy = failure instanceof Error ? { endedBy: failure.message } : {};
    const head = { schemaVersion: 1, kind: "bench-compare", environment } as const;
    const document = { ...head, partial, ...endedBy, rows: results };
    if (options.jsonFile !== undefined)
      saveUserFile(options.jsonFile, `${JSON.stringify(document, null, 1)}\n`, true);
    if (options.json) output.json(document);
    else if (partial) output.print(`partial result: ${endedBy.endedBy ?? ""}`);
    if (partial) throw failure;
    if (results.every(({ cells }) => cells.length === 0))
      throw new CommandError(
        ExitCode.Environment,
        "no program to compare with is installed; install one of those that are named above",
      );
  } finally {
    programs.close();
  }
}

interface Measuring {
  readonly timing: Timing;
  readonly pairs: number;
  readonly json: boolean;
}

async function measure(
  row: Row,
  results: RowResult[],
  { timing, pairs, json }: Measuring,
  { output, signal }: Context,
): Promise<void> {
  const { name, against, unit, target, cellTarget = target } = row;
  const say = (text: string): void => (json ? output.note(text) : output.print(text));
  say(`${name}\n  against ${against}; ${unit}`);
  const result: RowResult = {
    row: name,
    against,
    unit,
    cells: [],
    leftOut: [],
    target,
    cellTarget,
  };
  results.push(result);
  for (const cell of row.cells) {
    signal.throwIfAborted();
    const where = `${cell.name}, ${name}`;
    try {
      output.progress(() => `start: ${where}`);
      const { ours, theirs, end } = await cell.setUp(timing);
      try {
        const comparison = await compare(ours, theirs, pairs, (pair, side) =>
          output.progress(() => `pair ${pair} of ${pairs}, ${side}: ${where}`),
        );
        const done = {
          cell: cell.name,
          medianRatio: median(comparison.ratios),
          ...comparison,
        };
        result.cells.push(done);
        say(line(done));
      } finally {
        await end();
      }
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      result.leftOut.push({ cell: cell.name, why: error.message });
      say(`  ${cell.name}: left out, ${error.message}`);
    }
  }
  if (result.cells.length > 0) say(verdict(result));
}

function verdict({ cells, target, cellTarget }: RowResult): string {
  const medians = cells.map(({ medianRatio }) => medianRatio);
  const mean = geometricMean(medians);
  const least = Math.min(...medians);
  const met = mean >= target && least >= cellTarget;
  return (
    `  ${met ? "met" : "missed"}: mean ${mean.toFixed(2)} (wanted ${target.toFixed(2)}), ` +
    `least ${least.toFixed(2)} (wanted ${cellTarget.toFixed(2)})`
  );
}

function line({ cell, medianRatio, ratios, ours, theirs, repeated }: CellResult): string {
  const number = (value: number): string => Math.round(value).toLocaleString("en-US");
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return (
    `  ${cell.padEnd(10)} ${medianRatio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})  ` +
    `ours ${number(median(ours))}, theirs ${number(median(theirs))}` +
    (repeated > 0 ? `, ${counted(repeated, "sample")} repeated for steal` : "")
  );
}
