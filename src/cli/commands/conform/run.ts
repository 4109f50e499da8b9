import { writeFileSync } from "node:fs";
import { UsageError } from "../../../base/index.ts";
import { inferDevice } from "../../../probe/index.ts";
import type { DeviceName } from "../../../protocol/index.ts";
import {
  conformanceLines,
  type ConformanceReport,
  type ConformanceResult,
  conformanceTotals,
  type ConformanceVerdict,
  countVerdicts,
} from "../../../report/index.ts";
import {
  type Check,
  type CheckResult,
  checks,
  type Facts,
  missing,
  type Profile,
  ProgramTarget,
  runChecks,
  selectChecks,
  SocketTarget,
  type Strength,
  survey,
  type Target,
  type Times,
  timesOf,
} from "../../../suite/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { version } from "../../version.ts";

export interface ConformOptions extends CommonOptions {
  readonly exec?: string | undefined;
  readonly shell?: true | undefined;
  readonly device?: DeviceName | undefined;
  readonly only?: string[] | undefined;
  readonly except?: string[] | undefined;
  readonly profile?: Profile | undefined;
  readonly strength?: readonly Strength[] | undefined;
  readonly list?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly strict?: true | undefined;
  readonly timeout: number;
  readonly timeoutFactor: number;
  readonly seed?: number | undefined;
  readonly repeat: number;
  readonly json?: true | undefined;
  readonly jsonFile?: string | undefined;
}

const COLOURS: Readonly<Record<ConformanceVerdict, "green" | "red" | "yellow" | "cyan">> = {
  PASS: "green",
  FAIL: "red",
  WARN: "yellow",
  SKIP: "cyan",
  INFO: "cyan",
  ERROR: "red",
  XFAIL: "yellow",
  XPASS: "red",
};

export async function runConform(
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<void> {
  const { only, except, profile, strength: strengths } = options;
  const chosen = selectChecks(checks, { only, except, profile, strengths });
  if (options.list) return list(chosen, options, context);
  // A place that cannot be written to is better found out before than after.
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, "");
  const times = timesOf(options.timeoutFactor, options.timeout);
  const target = targetOf(socket, options, times);
  try {
    const facts = await survey(target, times, (virtio, protocol) => {
      return options.device ?? inferDevice(virtio, protocol, undefined) ?? undefined;
    });
    if (options.dryRun) return plan(chosen, facts, target, context);
    await judge(chosen, facts, target, { times, socket, options, context });
  } finally {
    await target.close();
  }
}

/** @throws {UsageError} neither or both of SOCKET and --exec */
function targetOf(socket: string | undefined, options: ConformOptions, times: Times): Target {
  const { exec, shell } = options;
  if ((socket === undefined) === (exec === undefined)) {
    throw new UsageError(
      "expected either SOCKET, the path of a listening back-end, or --exec with the command that starts one",
    );
  }
  if (exec !== undefined) return new ProgramTarget(exec, { shell, timeoutMs: 2 * times.againMs });
  return new SocketTarget(socket ?? "");
}

function list(chosen: readonly Check[], { json }: ConformOptions, { output }: Context): void {
  const rows = chosen.map(({ id, title, strength, section }) => ({ id, title, strength, section }));
  if (json) return output.json(rows);
  for (const { id, title, strength } of rows) {
    output.print(`${id.padEnd(12)} ${strength.padEnd(10)} ${title}`);
  }
}

function plan(chosen: readonly Check[], facts: Facts, target: Target, { output }: Context): void {
  for (const { id, title, needs } of chosen) {
    const lacking = missing(needs, facts, target);
    output.print(`${id.padEnd(12)} ${title}${lacking === undefined ? "" : ` (SKIP: ${lacking})`}`);
  }
}

async function judge(
  chosen: readonly Check[],
  facts: Facts,
  target: Target,
  {
    times,
    socket,
    options,
    context: { output, signal },
  }: {
    times: Times;
    socket: string | undefined;
    options: ConformOptions;
    context: Context;
  },
): Promise<void> {
  const seed = options.seed ?? Date.now() % 2 ** 32;
  const say = (line: string): void => (options.json ? output.note(line) : output.print(line));
  const startedAt = new Date();
  const start = performance.now();
  const results: ConformanceResult[] = [];
  const count = chosen.length * options.repeat;
  const onResult = (result: CheckResult): void => {
    const told = { ...result, repeat: repeatCommand(result.id, seed, socket, options) };
    results.push(told);
    const mark = (verdict: ConformanceVerdict, text: string): string =>
      output.style(COLOURS[verdict], text);
    if (options.quiet && !["FAIL", "WARN", "ERROR"].includes(told.verdict)) return;
    for (const line of conformanceLines(told, mark)) say(line);
  };
  const onStart = ({ id }: Check): void =>
    output.progress(() => {
      const left =
        ((performance.now() - start) / Math.max(1, results.length)) * (count - results.length);
      return `${results.length}/${count}, about ${Math.ceil(left / 1000)} s left … ${id}`;
    });
  await runChecks(chosen, {
    target,
    facts,
    times,
    seed,
    signal,
    repeat: options.repeat,
    onStart,
    onResult,
  });
  const counts = countVerdicts(results);
  const report: ConformanceReport = {
    schemaVersion: 1,
    kind: "conformance",
    tool: { name: "vhost-user", version: version() },
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.now() - start),
    target: {
      name: target.name,
      device: facts.device ?? null,
      virtioFeatures: `0x${facts.virtio.toString(16)}`,
      protocolFeatures: `0x${facts.protocol.toString(16)}`,
    },
    seed,
    counts,
    results,
  };
  say(conformanceTotals(counts));
  if (options.json) output.json(report);
  if (options.jsonFile !== undefined) {
    writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  }
  signal.throwIfAborted();
  const failed = counts.FAIL + counts.ERROR + counts.XPASS + (options.strict ? counts.WARN : 0);
  if (failed > 0) throw new CommandError(ExitCode.Failed, `${failed} of ${count} checks failed`);
}

/** The command line that makes one check alone. */
function repeatCommand(
  id: string,
  seed: number,
  socket: string | undefined,
  { exec, shell, device, timeoutFactor }: ConformOptions,
): string {
  return [
    "vhost-user conform",
    socket === undefined ? `--exec ${quoted(exec ?? "")}` : quoted(socket),
    shell ? "--shell" : "",
    device === undefined ? "" : `--device ${device}`,
    timeoutFactor === 1 ? "" : `--timeout-factor ${timeoutFactor}`,
    `--seed ${seed} --only ${id}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function quoted(text: string): string {
  return /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
