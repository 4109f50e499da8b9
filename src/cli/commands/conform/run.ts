import { writeFileSync } from "node:fs";
import { UsageError } from "../../../base/index.ts";
import { inferDevice } from "../../../probe/index.ts";
import {
  checks,
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
  survey,
  type Target,
  type Times,
  timesOf,
} from "../../../suite/index.ts";
import type { Context } from "../../context.ts";
import type { ConformOptions } from "./options.ts";
import { listChecks, listed, printPlan } from "./selection.ts";
import { Telling } from "./telling.ts";

export async function runConform(
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<void> {
  const { only, except, profile, strength: strengths } = options;
  const selection = { only, except, profile, strengths };
  const frontEnd = options.frontEnd === true;
  if (options.list) {
    listChecks(listed(selection, frontEnd), options.json === true, context.output);
    return;
  }
  // A place that cannot be written to is better found out before than after.
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, "");
  const times = timesOf(options.timeoutFactor, options.timeout);
  if (frontEnd) await judgeFrontend(selection, times, socket, options, context);
  else await judgeBackend(selection, times, socket, options, context);
}

async function judgeBackend(
  selection: Selection,
  times: Times,
  socket: string | undefined,
  options: ConformOptions,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const chosen = selectChecks(checks, selection);
  const target = targetOf(socket, options, times);
  try {
    const facts = await survey(target, times, (virtio, protocol) => {
      return options.device ?? inferDevice(virtio, protocol, undefined) ?? undefined;
    });
    if (options.dryRun) {
      printPlan(chosen, ({ needs }) => missing(needs, facts, target), context.output);
      return;
    }
    const told = new Telling(chosen.length, { socket, options, context });
    const { seed } = told;
    const { repeat } = options;
    await runChecks(chosen, { target, facts, times, seed, signal, repeat, ...told.callbacks });
    told.end({
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
): Promise<void> {
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
    return;
  }
  const told = new Telling(chosen.length, { socket, options, context });
  const { signal } = context;
  await runFrontendChecks(chosen, { target, device, times, signal, repeat, ...told.callbacks });
  told.end({ name: target.name, device, virtioFeatures: null, protocolFeatures: null });
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
