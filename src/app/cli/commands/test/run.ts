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
  testLines,
  testTotals,
  totalsLine,
} from "../../../../lab/results/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode, exitCodeOf } from "../../exit-code.ts";
import { saveUserFile } from "../../files.ts";
import { verdictStyle } from "../../verdict-style.ts";
import { version } from "../../version.ts";

export interface TestOptions extends CommonOptions {
  readonly json?: true | undefined;
  readonly jsonFile?: string | undefined;
  readonly junit?: string | undefined;
  readonly socket?: string | undefined;
  readonly clients: number;
  readonly rounds: number;
  readonly connections: number;
}

const GROUPS = { basic: [basicGroup], qemu: [qemuGroup], perf: [perfGroup], stress: [stressGroup] };
const ALL = Object.values(GROUPS).flat();

export async function runTests(
  name: keyof typeof GROUPS | "all",
  options: TestOptions,
  { output, signal }: Context,
): Promise<void> {
  const groupOptions: GroupOptions = {
    socket: options.socket,
    clients: options.clients,
    rounds: options.rounds,
    connections: options.connections,
    requirePrograms: process.env["CI"] === "true",
  };
  // With --json the document is the only thing on standard output.
  const say = (line: string): void => (options.json ? output.note(line) : output.print(line));
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
      say(groupHeading(group.title));
      const result = await runGroup(group, groupOptions, signal, {
        onStart: ({ title }) => {
          const since = performance.now();
          output.progress(() => `${((performance.now() - since) / 1000).toFixed(0)} s: ${title}`);
        },
        onResult: (each) => {
          results.push(each);
          for (const line of testLines(each, verdictStyle(output))) say(line);
        },
      });
      groups.push(result);
      current = undefined;
      say(totalsLine([result]));
      say("");
    }
  } catch (error) {
    // The exit code answers whether all tests passed: a machine that lacks something fails the run.
    if (signal.aborted || exitCodeOf(error) !== ExitCode.Environment) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(ExitCode.Failed, message, { cause: error });
  } finally {
    // Also what was done before an interruption is worth keeping.
    if (current !== undefined) groups.push(current);
    const { aborted } = signal;
    const report = createTestReport(
      version(),
      startedAt,
      performance.now() - start,
      groups,
      aborted,
    );
    if (aborted && signal.reason instanceof Error) {
      if (current !== undefined) say(totalsLine([current]));
      say(`partial result: ${signal.reason.message}`);
    }
    if (name === "all" && groups.length > 1) say(totalsLine(groups));
    if (options.json) output.json(report);
    if (options.jsonFile !== undefined)
      saveUserFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`, true);
    if (options.junit !== undefined) saveUserFile(options.junit, testJunit(report), true);
  }
  const { failed } = testTotals(groups);
  if (failed > 0) throw new CommandError(ExitCode.Failed, `${failed} of the tests failed`);
}
