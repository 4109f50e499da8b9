import { UsageError } from "../../../base/index.ts";
import { processName } from "../../../os/index.ts";
import type { ConformanceReport } from "../../../report/index.ts";
import { inferDevice } from "../../../probe/index.ts";
import {
  CheckFailure,
  checks,
  type Facts,
  type FrontendCheck,
  frontendChecks,
  FrontendProgram,
  missing,
  ProgramTarget,
  runChecks,
  runFrontendChecks,
  selectChecks,
  type Selection,
  SocketTarget,
  storyOf,
  storyText,
  survey,
  type Target,
  type Times,
  timesOf,
} from "../../../suite/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import type { ConformOptions } from "./options.ts";
import { printPlan } from "./selection.ts";
import { Telling } from "./telling.ts";

/** A target that closes its first connection as it dies is seen to have ended this soon. */
const END_MS = 500;

/**
 * Judges a back-end or front-end, telling of it; undefined: with --dry-run.
 *
 * @throws {UsageError} neither or both of SOCKET and --exec; {@link CommandError} no back-end is there
 */
export async function judge(
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<ConformanceReport | undefined> {
  const { only, except, profile, strength: strengths, shard } = options;
  const selection = { only, except, profile, strengths, shard };
  const times = timesOf(options.timeoutFactor, options.timeout);
  return options.frontEnd
    ? judgeFrontend(selection, times, socket, options, context)
    : judgeBackend(selection, times, socket, options, context);
}

async function judgeBackend(
  selection: Selection,
  times: Times,
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<ConformanceReport | undefined> {
  const { signal } = context;
  const chosen = selectChecks(checks, selection);
  const target = targetOf(socket, options, times);
  try {
    const facts = await factsOf(target, times, options);
    if (options.dryRun) {
      printPlan(chosen, ({ needs }) => missing(needs, facts, target), context.output);
      return undefined;
    }
    const told = new Telling(chosen.length, { socket, options, context });
    const { seed } = told;
    const { repeat } = options;
    await runChecks(chosen, { target, facts, times, seed, signal, repeat, ...told.callbacks });
    return told.end({
      name: target.name,
      device: facts.device ?? null,
      virtioFeatures: `0x${facts.virtio.toString(16)}`,
      protocolFeatures: `0x${facts.protocol.toString(16)}`,
    });
  } finally {
    await target.close();
  }
}

async function judgeFrontend(
  selection: Selection,
  times: Times,
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<ConformanceReport | undefined> {
  const { exec, shell, device = "block", repeat } = options;
  if (exec === undefined || socket !== undefined) {
    throw new UsageError("expected --front-end with --exec, the command that starts the front-end");
  }
  const chosen = selectChecks(frontendChecks, {
    ...selection,
    profile: selection.profile ?? "front-end",
  });
  const target = new FrontendProgram(exec, { shell, timeoutMs: times.againMs });
  if (options.dryRun) {
    const lacking = (check: FrontendCheck): string | undefined =>
      check.needsMonitor && !target.hasMonitor ? "the command has no {qmp}" : undefined;
    printPlan(chosen, lacking, context.output);
    return undefined;
  }
  const told = new Telling(chosen.length, { socket, options, context });
  const { signal } = context;
  await runFrontendChecks(chosen, { target, device, times, signal, repeat, ...told.callbacks });
  return told.end({ name: target.name, device, virtioFeatures: null, protocolFeatures: null });
}

/** @throws {CommandError} the target does not answer GET_FEATURES as a back-end does */
async function factsOf(target: Target, times: Times, { device }: ConformOptions): Promise<Facts> {
  try {
    return await survey(target, times, (virtio, protocol) => {
      const pid = target.process?.pid;
      const program = pid === undefined ? undefined : processName(pid);
      return device ?? inferDevice(virtio, protocol, program) ?? undefined;
    });
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    const { message, expected = "an answer", actual = "none" } = error;
    const { ends, output } = await storyOf(target, END_MS);
    const question = ends.length === 0 ? "; is this a back-end?" : "";
    const what = `${target.name}: ${message}: expected ${expected}, got ${actual}${question}`;
    const text = [what, storyText(ends, output, target.process)].filter(Boolean).join("\n");
    throw new CommandError(ExitCode.Unreachable, text, { cause: error });
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
