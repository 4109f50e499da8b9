import { UsageError } from "../../../../core/base/index.ts";
import { processName } from "../../../../core/os/index.ts";
import type { ConformanceReport } from "../../../../lab/results/index.ts";
import type { DeviceKind } from "../../../../endpoints/devices/kind.ts";
import {
  identifiesDevice,
  inferByConfig,
  inferDevice,
  otherDevice,
} from "../../../../lab/probe/index.ts";
import {
  CaseFailure,
  discover,
  type Facts,
  type FrontendCheck,
  frontendChecks,
  FrontendListener,
  FrontendProgram,
  type KnownDevice,
  type Kit,
  knownDevice,
  missing,
  offeringAny,
  ProgramTarget,
  runChecks,
  runFrontendChecks,
  selectChecks,
  type Selection,
  SocketTarget,
  waitForReport,
  reportText,
  survey,
  type Target,
  type Times,
  timesOf,
} from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { expectOneBackend } from "../../exec-backend.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { checksFor, checksOfBaselines, chosenDevice, frontendKit } from "./device.ts";
import { diagnose } from "./diagnose.ts";
import type { ConformOptions } from "./options.ts";
import { recognise } from "./recognise.ts";
import { printPlan } from "./selection.ts";
import type { ShippedBaseline } from "./shipped-baselines.ts";
import { ConformanceReporter } from "./reporter.ts";

/** The request of the command line. */
interface Asked {
  readonly socket: string | undefined;
  readonly options: ConformOptions;
  readonly context: Context;
}

/** The outcome of a run. */
export interface Judgement {
  readonly report: ConformanceReport;
  /** The reason why the run ended before all its checks were made, if it did. */
  readonly stopped: string | undefined;
}

/** A target that closes its first connection as it dies is seen to have ended this soon. */
const END_MS = 500;

/**
 * Judges a back-end or a front-end and reports its results; returns undefined with --dry-run.
 *
 * @throws {UsageError} neither or both of SOCKET and --exec; {@link CommandError} no back-end is there
 */
export async function judge(
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<Judgement | undefined> {
  const { only, except, profile, strength: strengths, shard } = options;
  const selection = { only, except, profile, strengths, shard };
  const times = timesOf(options.timeoutFactor, options.checkTimeout);
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
): Promise<Judgement | undefined> {
  const { signal } = context;
  const device = await chosenDevice(options);
  const chosen = selectChecks(checksFor(device), selection);
  const target = targetOf(socket, options, times);
  try {
    const facts = await factsOf(target, times, device, { socket, options, context });
    if (options.dryRun) {
      printPlan(chosen, ({ needs }) => missing(needs, facts, target), context.output);
      return undefined;
    }
    const recognised = await recognisedOf(options);
    const known = checksOfBaselines(device);
    const around = { socket, options, context, recognised, known };
    const reporter = new ConformanceReporter(chosen.length, around);
    const { seed, onStart, onResult, onStop } = reporter;
    const { repeat } = options;
    const callbacks = { onStart, onResult, onStop };
    await runChecks(chosen, { target, facts, times, seed, signal, repeat, ...callbacks });
    const report = reporter.finish({
      name: target.name,
      device: facts.device?.name ?? null,
      virtioFeatures: `0x${facts.virtio.toString(16)}`,
      protocolFeatures: `0x${facts.protocol.toString(16)}`,
    });
    return { report, stopped: reporter.stopped };
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
): Promise<Judgement | undefined> {
  const { repeat } = options;
  const chosen = selectChecks(frontendChecks, {
    ...selection,
    profile: selection.profile ?? "front-end",
  });
  const target = frontendOf(socket, options, times);
  if (options.dryRun) {
    const lacking = (check: FrontendCheck): string | undefined =>
      check.needsMonitor && !target.hasMonitor ? "there is no monitor ({qmp})" : undefined;
    printPlan(chosen, lacking, context.output);
    return undefined;
  }
  const kit = await met(target, options, times, context);
  const recognised = await recognisedOf(options);
  const known = checksOfBaselines({ device: kit.kind, kit });
  const around = { socket, options, context, recognised, known };
  const reporter = new ConformanceReporter(chosen.length, around);
  const { signal } = context;
  const { onStart, onResult, onStop } = reporter;
  const callbacks = { onStart, onResult, onStop };
  await runFrontendChecks(chosen, { target, kit, times, signal, repeat, ...callbacks });
  const about = {
    name: target.name,
    device: kit.kind.name,
    virtioFeatures: null,
    protocolFeatures: null,
  };
  return { report: reporter.finish(about), stopped: reporter.stopped };
}

/**
 * Meets a front-end for the first time, and returns the kit of the device that it wants.
 *
 * @throws {UsageError} the suite cannot play it, does not know which one it is, or `--device` names
 *   another one
 */
async function met(
  target: FrontendProgram | FrontendListener,
  options: ConformOptions,
  times: Times,
  { signal, output }: Context,
): Promise<Kit> {
  if (target instanceof FrontendListener) {
    output.note(`waiting for a front-end on ${target.name}; start it now`);
  }
  const { kit, inferred } = await frontendKit(options, async (placeholder) =>
    target instanceof FrontendListener
      ? target.arrival(placeholder, times, signal, offeringAny())
      : discover(target, placeholder, times, identifiesDevice),
  );
  if (inferred) {
    output.note(
      `the front-end wants a device of type ${kit.kind.name}; --device names another type`,
    );
  }
  return kit;
}

/** Finds the package's baseline for the target's program; a user's own baseline replaces it. */
async function recognisedOf({
  exec,
  shell,
  baseline,
}: ConformOptions): Promise<ShippedBaseline | undefined> {
  return baseline === undefined ? recognise(exec, shell === true) : undefined;
}

/**
 * @throws {CommandError} the target does not answer GET_FEATURES as a back-end does
 * @throws {UsageError} it serves another device type than `--device` names
 */
async function factsOf(
  target: Target,
  times: Times,
  device: KnownDevice | undefined,
  { socket, options, context: { signal } }: Asked,
): Promise<Facts> {
  try {
    return await survey(target, times, async (offer) => {
      const pid = target.process?.pid;
      const program = pid === undefined ? undefined : processName(pid);
      const inferred =
        inferDevice(offer.virtio, offer.protocol, program) ??
        (await inferByConfig(offer, device?.device?.name));
      if (device === undefined) return knownDevice(inferred);
      expectChosen(target, options, device, inferred);
      return device;
    });
  } catch (error) {
    if (!(error instanceof CaseFailure)) throw error;
    const { ends, output } = await waitForReport(target, END_MS);
    const path = socket ?? target.program?.socket;
    const isGone = ends.length > 0 || path === undefined;
    const diagnosis = isGone ? undefined : await diagnose(path, times.answerMs, signal);
    const { message, expected, actual } = error;
    const question = ends.length === 0 ? "; is this a back-end?" : "";
    const compared =
      expected === undefined || actual === undefined ? "" : `: expected ${expected}, got ${actual}`;
    const what = diagnosis ?? `${message}${compared}${question}`;
    const report = reportText(ends, output, target.process);
    const text = [`${target.name}: ${what}`, report].filter(Boolean).join("\n");
    throw new CommandError(ExitCode.Unreachable, text, { cause: error });
  }
}

/** @throws {UsageError} the target serves another device type */
function expectChosen(
  { name }: Target,
  { device: option }: ConformOptions,
  { device }: KnownDevice,
  inferred: DeviceKind | undefined,
): void {
  const other = device && otherDevice(device.name, inferred);
  if (device === undefined || other === undefined) return;
  throw new UsageError(
    `${name}: the target serves a ${other.name} device by what it offers; --device ` +
      `${typeof option === "string" ? option : device.name} judges ${device.name} devices; leave --device out, or ` +
      `name --device ${other.name}`,
  );
}

/** @throws {UsageError} neither --exec, nor SOCKET and --listen; or both */
function frontendOf(
  socket: string | undefined,
  { exec, shell, listen }: ConformOptions,
  times: Times,
): FrontendProgram | FrontendListener {
  if (exec !== undefined && listen)
    throw new UsageError(
      "--exec and --listen cannot be combined: the command of --exec connects to a socket of ours",
    );
  if (exec !== undefined && socket === undefined)
    return new FrontendProgram(exec, { shell, timeoutMs: times.againMs });
  if (exec === undefined && socket !== undefined && listen) return new FrontendListener(socket);
  throw new UsageError(
    "--front-end needs either --exec COMMAND, which starts the front-end, or SOCKET and --listen",
  );
}

/** @throws {UsageError} neither or both of SOCKET and --exec; --listen */
function targetOf(socket: string | undefined, options: ConformOptions, times: Times): Target {
  const { exec, shell, listen } = options;
  if (listen) throw new UsageError("--listen needs --front-end: a back-end listens itself");
  expectOneBackend(socket, exec);
  if (exec !== undefined) return new ProgramTarget(exec, { shell, timeoutMs: 2 * times.againMs });
  return new SocketTarget(socket ?? "");
}
