import { asError } from "../../../../core/base/index.ts";
import {
  basicGroup,
  type GroupOptions,
  perfGroup,
  qemuGroup,
  runGroup,
  stressGroup,
} from "../../../../lab/selftest/index.ts";
import {
  type CaseResult,
  createTestReport,
  groupHeading,
  type GroupResult,
  testJunit,
  testText,
  testTotals,
  totalsLine,
} from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode, exitCodeOf } from "../../exit-code.ts";
import { saveUserFile } from "../../files.ts";
import { type PrinterOptions, ResultPrinter } from "../../result-printer.ts";
import { version } from "../../version.ts";
import { DEFAULTS, type TestGroupName } from "./command.ts";

export interface TestOptions extends PrinterOptions {
  readonly jsonFile?: string | undefined;
  readonly junit?: string | undefined;
  readonly socket?: string | undefined;
  readonly clients?: number | undefined;
  readonly rounds?: number | undefined;
  readonly connections?: number | undefined;
}

const GROUPS = { basic: [basicGroup], qemu: [qemuGroup], perf: [perfGroup], stress: [stressGroup] };
const ALL = Object.values(GROUPS).flat();

export async function runTests(
  name: TestGroupName,
  options: TestOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const groupOptions: GroupOptions = {
    socket: options.socket,
    clients: options.clients ?? DEFAULTS.clients,
    rounds: options.rounds ?? DEFAULTS.rounds,
    connections: options.connections ?? DEFAULTS.connections,
    requirePrograms: process.env["CI"] === "true",
  };
  const printer = new ResultPrinter(testText, options, context);
  // A place that cannot be written to is better found out before than after.
  for (const file of [options.jsonFile, options.junit]) {
    if (file !== undefined) saveUserFile(file, "", true);
  }
  const startedAt = new Date();
  const start = performance.now();
  const groups: GroupResult[] = [];
  /** The results so far of the group that runs. */
  let current: GroupResult | undefined;
  try {
    for (const group of name === "all" ? ALL : GROUPS[name]) {
      const results: CaseResult[] = [];
      current = { name: group.name, title: group.title, durationMs: 0, results };
      printer.say(groupHeading(group.title));
      const result = await runGroup(group, groupOptions, signal, {
        onStart: ({ title }) => {
          const since = performance.now();
          output.progress(() => `${((performance.now() - since) / 1000).toFixed(0)} s: ${title}`);
        },
        onResult: (each) => {
          results.push(each);
          printer.result(each);
        },
      });
      groups.push(result);
      current = undefined;
      printer.failures(result.results);
      printer.say(totalsLine([result]));
      printer.say("");
    }
  } catch (error) {
    // The exit code answers whether all tests passed: a machine that lacks something fails the run.
    if (signal.aborted || exitCodeOf(error) !== ExitCode.Environment) throw error;
    const message = asError(error).message;
    throw new CommandError(ExitCode.Failed, message, { cause: error });
  } finally {
    // Also what was done before an interruption is worth keeping.
    if (current !== undefined) {
      groups.push(current);
      printer.failures(current.results);
    }
    const { aborted } = signal;
    const report = createTestReport(
      version(),
      startedAt,
      performance.now() - start,
      groups,
      aborted,
    );
    if (aborted && signal.reason instanceof Error) {
      if (current !== undefined) printer.say(totalsLine([current]));
      printer.say(`partial result: ${signal.reason.message}`);
    }
    if (name === "all" && groups.length > 1) printer.say(totalsLine(groups));
    if (options.json) output.json(report);
    if (options.jsonFile !== undefined)
      saveUserFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`, true);
    if (options.junit !== undefined) saveUserFile(options.junit, testJunit(report), true);
  }
  const { failed } = testTotals(groups);
  if (failed > 0) throw new CommandError(ExitCode.Failed, `${failed} of the tests failed`);
}
