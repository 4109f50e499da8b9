import { counted, delay } from "../../../../core/base/index.ts";
import {
  diskBytes,
  ENOUGH_ROUNDS,
  type Growth,
  growthFaults,
  type Holdings,
  runSoak,
  type SoakOptions,
  type SoakProgress,
  type SoakResult,
  type SoakTarget,
} from "../../../../lab/selftest/index.ts";
import { listenerProcessId, processFigures } from "../../../../core/os/index.ts";
import { makeRecordedFolder } from "../../../../lab/programs/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { type ListeningBackend, withBackend } from "../../exec-backend.ts";
import { formatSize } from "../../units.ts";
import { expectDisk } from "./stress-disk.ts";

export interface StressOptions extends CommonOptions {
  readonly exec?: string | undefined;
  /** Milliseconds. */
  readonly runtime: number;
  /** Ends the run after this many rounds; replaces `runtime`. */
  readonly rounds?: number | undefined;
  readonly clients: number;
  readonly overwrite?: true | undefined;
  readonly json?: true | undefined;
  readonly timeout: number;
  readonly ioTimeout: number;
}

const MINUTE_MS = 60_000;
/**
 * Milliseconds that a back-end may take to release its resources after all clients have
 * disconnected.
 */
const NOTICE_MS = 10_000;
/** A back-end that closes nothing for this long has finished, in milliseconds. */
const QUIET_MS = 300;
const LOOK_MS = 20;

/** @throws {CommandError} a request failed, or something grows */
export async function runStress(
  socket: string | undefined,
  options: StressOptions,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const { clients, runtime: durationMs, rounds, exec, ioTimeout: stallMs } = options;
  const name = socket ?? exec ?? "the built-in back-end";
  const folder = makeRecordedFolder("stress");
  const soak = async (target?: SoakTarget): Promise<SoakResult> => {
    const limits = { clients, durationMs, rounds, stallMs };
    const display = displaySoak(options, context);
    const result = await runSoak({ target, folder: folder.path, signal, ...limits, ...display });
    report(name, result, options, context);
    signal.throwIfAborted();
    const { failure } = result;
    if (!(failure instanceof Error)) return result;
    throw new CommandError(ExitCode.Failed, failure.message, { cause: failure });
  };
  let result: SoakResult;
  try {
    result =
      socket === undefined && exec === undefined
        ? await soak()
        : await withBackend(socket, options, context, async (backend) => {
            await expectDisk(backend.socket, diskBytes(clients), options, signal);
            return soak(targetOf(backend));
          });
  } finally {
    folder.remove();
  }
  const faults = faultsOf(result);
  if (faults.length > 0) throw new CommandError(ExitCode.Failed, faults.join("\n"));
}

/** Shows how the rounds go: on a terminal all the time, else once a minute. */
function displaySoak(
  { json }: StressOptions,
  { output }: Context,
): Pick<SoakOptions, "onPhase" | "onRound"> {
  const start = performance.now();
  let [reportedAt, round, phase] = [start, 1, ""];
  let last: SoakProgress | undefined;
  const line = (): string => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const verified = last === undefined ? "" : `, ${counted(last.requests, "request")} verified`;
    return `${seconds} s, round ${round}: ${phase}${verified}${heldBy(last)}`;
  };
  return {
    onPhase: (newRound, what) => {
      [round, phase] = [newRound, what];
      output.progress(line);
    },
    onRound: (progress) => {
      last = progress;
      if (performance.now() - reportedAt < MINUTE_MS) return;
      reportedAt = performance.now();
      sayOf(json, output)(lineOf(progress));
    },
  };
}

/** Returns the printer of messages: with --json standard output is for the document only. */
function sayOf(json: true | undefined, output: Context["output"]): (line: string) => void {
  return (line) => (json ? output.note(line) : output.print(line));
}

/** The result, also of rounds before one that failed or was interrupted. */
function report(
  name: string,
  result: SoakResult,
  { json }: StressOptions,
  { output, signal }: Context,
): void {
  const { failure, growth, clientGrowth, ...rest } = result;
  const partial = failure !== undefined;
  const endedBy = failure instanceof Error ? { endedBy: failure.message } : {};
  const faults = [
    ...(partial && !signal.aborted ? [String(endedBy.endedBy)] : []),
    ...faultsOf(result),
  ];
  const head = { schemaVersion: 1, kind: "stress", of: name } as const;
  const document = { ...head, partial, ...endedBy, ...rest };
  if (json) output.json({ ...document, growth, clientGrowth, faults });
  const say = sayOf(json, output);
  // The error that follows says all.
  if (partial && result.rounds === 0 && !signal.aborted) return;
  if (partial) say(`partial result: ${endedBy.endedBy}`);
  say(lineOf(result));
  if (result.rounds === 0) return;
  if (growth) say(growthLine("back-end", growth));
  else say("back-end: its process cannot be seen from here, so nothing is known of what it holds");
  say(growthLine("client process", clientGrowth));
}

function faultsOf({ growth, clientGrowth }: SoakResult): string[] {
  return [
    ...(growth ? growthFaults(growth).map((fault) => `the back-end's ${fault}`) : []),
    ...growthFaults(clientGrowth).map((fault) => `a client process's ${fault}`),
  ];
}

function targetOf({ socket, process }: ListeningBackend): SoakTarget {
  const pid = process?.pid ?? listenerProcessId(socket);
  return {
    path: socket,
    figures: async (descriptors = Infinity) => {
      const deadline = performance.now() + NOTICE_MS;
      let before = Infinity;
      let quietSince = performance.now();
      for (;;) {
        const held = pid === undefined ? undefined : holdingsOf(pid);
        if (held === undefined || held.descriptors <= descriptors) return held;
        const now = performance.now();
        if (held.descriptors !== before) quietSince = now;
        before = held.descriptors;
        if (now - quietSince > QUIET_MS || now > deadline) return held;
        await delay(LOOK_MS);
      }
    },
  };
}

function holdingsOf(pid: number): Holdings | undefined {
  const figures = processFigures(pid);
  if (figures === undefined) return undefined;
  const { descriptors, sharedMappings: mappings, residentBytes } = figures;
  return { descriptors, mappings, residentBytes };
}

function lineOf({
  seconds,
  rounds,
  clients,
  sessions,
  requests,
  kills,
  target,
}: SoakProgress): string {
  return (
    `${seconds.toFixed(0)} s, ${counted(rounds, "round")} of ${counted(clients, "client")}: ${counted(sessions, "session")}, ` +
    `${counted(requests, "request")} verified, ${counted(kills, "client")} killed${heldBy({ target })}`
  );
}

function heldBy(progress: Pick<SoakProgress, "target"> | undefined): string {
  if (progress?.target === undefined) return "";
  const { descriptors, residentBytes } = progress.target;
  return `; back-end: ${counted(descriptors, "descriptor")}, ${formatSize(residentBytes)} resident`;
}

function growthLine(who: string, { rounds, first, last }: Growth): string {
  const text =
    `${who}: descriptors ${first.descriptors} to ${last.descriptors}, shared mappings ${first.mappings} to ` +
    `${last.mappings}, resident ${formatSize(first.residentBytes)} to ${formatSize(last.residentBytes)}`;
  return rounds < ENOUGH_ROUNDS ? `${text} (too few rounds to measure growth)` : text;
}
