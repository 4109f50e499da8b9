import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { counted } from "../../../../core/base/index.ts";
import {
  conformanceHtml,
  conformanceMatrix,
  conformanceTotals,
  countFailures,
  type FailOn,
  type MatrixColumn,
} from "../../../../lab/results/index.ts";
import type { Profile } from "../../../../lab/conformance/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode, exitCodeOf } from "../../exit-code.ts";
import { makeUserFolder, saveUserFile } from "../../files.ts";
import { judge } from "../conform/judge.ts";
import type { ConformOptions } from "../conform/options.ts";
import { shippedNames } from "../conform/shipped-baselines.ts";
import { type MatrixTarget, readTargets } from "./targets.ts";

export interface MatrixOptions extends CommonOptions {
  /** A folder for the pages. */
  readonly outDir: string;
  readonly only?: string[] | undefined;
  readonly profile?: Profile | undefined;
  readonly failOn: FailOn;
  readonly checkTimeout: number;
  readonly timeoutFactor: number;
  readonly seed: number;
}

/** A column, and why its run ended before all its checks were made, if it did. */
interface Column extends MatrixColumn {
  readonly stopped?: string | undefined;
}

/** Judges many targets, and writes the page of them all with a page for each. */
export async function runMatrix(
  path: string,
  options: MatrixOptions,
  context: Context,
): Promise<void> {
  const targets = readTargets(path);
  const { outDir: out } = options;
  makeUserFolder(out);
  const columns: Column[] = [];
  for (const [i, target] of targets.entries()) {
    context.output.note(`=== ${target.name} ${target.version ?? ""} ===`);
    const column = await columnOf(
      target,
      `${i + 1}-${slug(target.name)}.html`,
      path,
      options,
      context,
    );
    columns.push(column);
    if (column.report) writePages(out, column);
    context.output.print(`${target.name}: ${summary(column)}`);
    if (context.signal.aborted) break;
  }
  saveUserFile(join(out, "index.html"), conformanceMatrix(columns), true);
  context.output.print(`written: ${join(out, "index.html")}`);
  context.signal.throwIfAborted();
  const failed = columns.filter((column) => hasFailed(column, options.failOn));
  if (failed.length === 0) return;
  const unjudged = failed.filter(({ report }) => report === undefined).map(({ name }) => name);
  const what =
    unjudged.length === 0
      ? ""
      : `; not judged: ${unjudged.join(", ")} ("optional": true excuses a target that cannot be judged)`;
  const message = `${failed.length} of ${counted(columns.length, "target")} failed${what}`;
  throw new CommandError(ExitCode.Failed, message);
}

async function columnOf(
  target: MatrixTarget,
  page: string,
  path: string,
  options: MatrixOptions,
  context: Context,
): Promise<Column> {
  const { name, version, socket, baseline, optional } = target;
  const conform: ConformOptions = {
    ...options,
    ...target,
    listen: target.frontEnd && socket !== undefined ? true : undefined,
    baseline: baseline === undefined ? undefined : baselineOf(baseline, path),
    targetVersion: version,
    repeat: 1,
    quiet: options.verbose ? undefined : true,
    // Results of single checks go to standard error, all of them with -v.
    json: true,
  };
  try {
    const { report, stopped } = (await judge(socket, conform, context)) ?? {};
    return { name, version, page, report, stopped };
  } catch (error) {
    // The other targets are judged all the same; whether this one fails the run is decided at the end.
    const ours = exitCodeOf(error) === ExitCode.Internal || context.signal.aborted;
    if (ours || !(error instanceof Error)) throw error;
    return { name, version, missing: error.message, optional };
  }
}

/** A file beside the file of targets, or else a baseline of the package. */
function baselineOf(baseline: string, path: string): string {
  const file = resolve(dirname(path), baseline);
  return !existsSync(file) && shippedNames().includes(baseline) ? baseline : file;
}

function writePages(out: string, { page, report }: MatrixColumn): void {
  if (page === undefined || report === undefined) return;
  saveUserFile(join(out, page), conformanceHtml(report), true);
  const document = `${JSON.stringify(report, null, 2)}\n`;
  saveUserFile(join(out, page.replace(/\.html$/, ".json")), document, true);
}

function summary({ report, missing }: MatrixColumn): string {
  return report ? conformanceTotals(report) : `not judged: ${missing ?? ""}`;
}

/** A target that was not judged has failed, as nothing is known about it. */
function hasFailed({ report, optional, stopped }: Column, failOn: FailOn): boolean {
  if (report === undefined) return !optional;
  if (stopped !== undefined) return true;
  return countFailures(report.counts, failOn) > 0 || report.judged === 0;
}

function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-");
}
