import { within } from "../../../../lab/conformance/index.ts";
import { makeRecordedFolder } from "../../../../lab/programs/index.ts";
import { injectionHelp } from "../../../../lab/injection/index.ts";
import {
  describeHint,
  filterHelp,
  type HeldDescriptors,
  parseFilter,
  RingSignals,
  ReceivedObjects,
  SessionHints,
  type TraceHint,
  Tracer,
} from "../../../../lab/trace/index.ts";
import { RingFollower } from "../../../../lab/rings/index.ts";
import { Relay, type RelayPlace } from "../../../../lab/wire/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { parsedLate } from "../../options.ts";
import { asError, UsageError } from "../../../../core/base/index.ts";
import { namedKind } from "../../named-kind.ts";
import { Injections } from "./injections.ts";
import { type OutputOptions, TraceOutputs } from "./outputs.ts";
import {
  type SideProgram,
  startSide,
  statusOf,
  stopPrograms,
  untilProgramsEnd,
} from "./programs.ts";
import { type Side, type SideOptions, type Sides, sidesOf } from "./sides.ts";

/** Milliseconds until the sessions of a program that has ended must be over. */
const CLOSING_MS = 1000;

export interface TraceOptions extends SideOptions, OutputOptions {
  /** Not parsed yet. */
  readonly device?: string | undefined;
  readonly helpFilter?: true | undefined;
  readonly helpInject?: true | undefined;
  /** Not parsed yet. */
  readonly inject?: readonly string[] | undefined;
  /** Largest number of cuts; true without a number. */
  readonly torture?: number | true | undefined;
  readonly rings?: "sampled" | "exact" | undefined;
  /** Milliseconds. */
  readonly late: number;
}

/** Relays between two sides and prints events until a signal, or the end of a program that was started. */
export async function runTrace(options: TraceOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  if (options.helpFilter) return output.print(filterHelp());
  if (options.helpInject) return output.print(injectionHelp());
  const sides = sidesOf(options);
  if (options.torture !== undefined) return runTorture(options, sides, context);
  const injections = new Injections(options.inject ?? [], sides);
  const filter = parsedLate("--filter", options.filter, parseFilter);
  const device = await namedKind(options.device);
  const outputs = new TraceOutputs(options, filter, output);
  const started = [sides.frontEnd, sides.backEnd].filter(({ words }) => words !== undefined);
  const received = new ReceivedObjects(started.map(({ role }) => role));
  const hints = new SessionHints();
  const onProblem = (problem: Error): void => output.error(`problem: ${problem.message}`);
  const rings = new RingFollower({
    report: (event) => tracer.report(event),
    clock: () => tracer.us,
    stallUs: options.late * 1000,
    exact: options.rings === "exact",
    onProblem,
  });
  const signals =
    options.rings === "exact" || injections.concernSignals
      ? new RingSignals({
          decide: (signal) => {
            const seen = rings.signalled(signal);
            const { fate, action } = injections.signal(seen);
            const isShown = options.rings === "exact" || action !== undefined;
            if (isShown) tracer.report(action === undefined ? seen : { ...seen, action });
            return fate;
          },
          onProblem,
        })
      : undefined;
  const tracer: Tracer = new Tracer({
    consumers: [
      ...(options.rings ? [rings] : []),
      ...outputs.consumers,
      received,
      hints,
      ...injections.injectors,
    ],
    interceptors: injections.injectors,
    signals,
    device,
    lateMs: options.late,
    onProblem,
  });
  const { programs } = injections;
  let held: readonly HeldDescriptors[] = [];
  const beforeStop = async (): Promise<void> => {
    held = await received.held();
  };
  try {
    await relayBetween(sides, tracer, injections, beforeStop, context);
  } catch (error) {
    throw wrapped(error, sides, signal);
  } finally {
    signals?.close();
    rings.close();
    tracer.close();
    injections.close();
    hints.close();
    await outputs.close(tracer.us, ending(programs, held, injections, hints.found));
  }
  if (programs.length === 0) return;
  signal.throwIfAborted();
  process.exitCode = statusOf(programs);
}

/** Options that say what a session is, and what `--torture` prints. */
const WITH_TORTURE = new Set([
  "torture",
  "execFrontEnd",
  "execBackEnd",
  "json",
  "quiet",
  "debug",
  "late",
]);

async function runTorture(options: TraceOptions, sides: Sides, context: Context): Promise<void> {
  const { frontEnd, backEnd } = sides;
  if (frontEnd.words === undefined || backEnd.words === undefined) {
    throw new UsageError(
      "--torture needs --exec-front-end and --exec-back-end: it repeats their session",
    );
  }
  const other = Object.keys(options).find((name) => !WITH_TORTURE.has(name));
  if (other !== undefined) {
    const name = other.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--torture and --${name} cannot be combined`);
  }
  const { torture, MAX_CUTS } = await import("./torture.ts");
  const cuts = options.torture === true ? MAX_CUTS : (options.torture ?? MAX_CUTS);
  const findings = await torture(sides, { cuts, json: options.json === true }, context);
  if (findings > 0) process.exitCode = ExitCode.Failed;
}

/** Starts what is to be started, the side that listens first, and relays until the end. */
async function relayBetween(
  { frontEnd, backEnd }: Sides,
  tracer: Tracer,
  injections: Injections,
  beforeStop: () => Promise<void>,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { programs } = injections;
  const folder = makeRecordedFolder("trace");
  const pathOf = ({ role, path }: Side): string => path ?? `${folder.path}/${role}.sock`;
  const start = async (side: Side): Promise<string> => {
    if (side.words === undefined) return pathOf(side);
    const { program, reached } = await startSide(side, pathOf(side), context);
    programs.push(program);
    return reached;
  };
  let relay: Relay | undefined;
  try {
    const place = async (side: Side): Promise<RelayPlace> =>
      side.listens ? { connect: await start(side) } : { listen: pathOf(side) };
    const places = { frontend: await place(frontEnd), backend: await place(backEnd) };
    relay = await Relay.start({
      ...places,
      hooks: (session, peers) => tracer.session(session, peers),
      onProblem: (problem) => output.warn(`problem: ${problem.message}`),
    });
    injections.relay = relay;
    for (const side of [frontEnd, backEnd]) if (!side.listens) await start(side);
    output.note(describeSides(places));
    await untilDone(relay, frontEnd.listens && backEnd.listens, programs, signal);
  } finally {
    await endSessions(relay);
    await beforeStop();
    await stopPrograms(programs);
    folder.remove();
  }
}

async function untilDone(
  relay: Relay,
  isSingle: boolean,
  programs: readonly SideProgram[],
  signal: AbortSignal,
): Promise<void> {
  const ends: Promise<unknown>[] = [aborted(signal)];
  if (programs.length > 0) ends.push(untilProgramsEnd(programs));
  // Where both sides listen there is nothing to accept: the session is all there will be.
  if (isSingle) ends.push(...[...relay.sessions].map(async (session) => session.closed));
  await Promise.race(ends);
  // A program that has ended may have sent messages which have not been read yet.
  if (programs.length > 0 && !signal.aborted) {
    await within(Promise.all([...relay.sessions].map(async ({ closed }) => closed)), CLOSING_MS);
  }
}

async function endSessions(relay: Relay | undefined): Promise<void> {
  const open = [...(relay?.sessions ?? [])];
  relay?.close();
  for (const session of open) await session.closed;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Wraps a failure of this command, if a program's status is passed on: the exit code must not look
 * like that status.
 */
function wrapped(error: unknown, { frontEnd, backEnd }: Sides, signal: AbortSignal): unknown {
  const isWrapper = frontEnd.words !== undefined || backEnd.words !== undefined;
  if (!isWrapper || signal.aborted || error instanceof UsageError) return error;
  const message = asError(error).message;
  return new CommandError(ExitCode.Wrapper, message, { cause: error });
}

function ending(
  programs: readonly SideProgram[],
  held: readonly HeldDescriptors[],
  injections: Injections,
  hints: readonly TraceHint[],
): { json: object; lines: string[] } {
  const json = Object.fromEntries(
    programs.map(({ role, process: { name, pid, exit }, stopped }) => [
      role === "front-end" ? "frontEnd" : "backEnd",
      { program: name, pid, code: exit?.code ?? null, signal: exit?.signal ?? null, stopped },
    ]),
  );
  const ends = programs.map(
    ({ role, process: { name, pid, exitText }, stopped }) =>
      `${role} ${name} (pid ${pid}) ${stopped ? "was stopped" : exitText}`,
  );
  const leaks = held.map(
    ({ role, pid, names }) =>
      `${role} (pid ${pid}) still held after the end of the session: ${names.join(", ")}`,
  );
  return {
    json: {
      ...(hints.length > 0 && { hints }),
      ...injections.ending.json,
      ...(programs.length > 0 && { programs: json, held }),
    },
    lines: [...hints.map(describeHint), ...injections.ending.lines, ...leaks, ...ends],
  };
}

function describeSides({
  frontend,
  backend,
}: {
  frontend: RelayPlace;
  backend: RelayPlace;
}): string {
  const place = (each: RelayPlace): string =>
    "listen" in each ? `connects to ${each.listen}` : `listens on ${each.connect}`;
  return `tracing: the front-end ${place(frontend)}, the back-end ${place(backend)}`;
}
