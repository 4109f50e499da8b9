import { counted, delay } from "../../../base/index.ts";
import {
  diskBytes,
  ENOUGH_ROUNDS,
  type Growth,
  growthFaults,
  type Holdings,
  runSoak,
  type SoakProgress,
  type SoakResult,
  type SoakTarget,
} from "../../../groups/index.ts";
import { listenerProcessId, processFigures } from "../../../os/index.ts";
import { makeRecordedFolder } from "../../../peers/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { type ListeningBackend, withBackend } from "../../exec-backend.ts";
import { formatSize } from "../../units.ts";
import { expectDisk } from "./disk.ts";

export interface StressOptions extends CommonOptions {
  readonly exec?: string | undefined;
  /** Milliseconds. */
  readonly duration: number;
  /** In place of the time. */
  readonly rounds?: number | undefined;
  readonly clients: number;
  readonly overwrite?: true | undefined;
  readonly json?: true | undefined;
  readonly timeout: number;
}

const MINUTE_MS = 60_000;
/** A back-end may take that long to notice that everybody left, while it still closes something. */
const NOTICE_MS = 10_000;
/** … and has noticed when it closed nothing for so long. */
const QUIET_MS = 300;
const LOOK_MS = 20;

/** @throws {CommandError} a request failed, or something grows */
export async function runStress(
  socket: string | undefined,
  options: StressOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { clients, duration: durationMs, rounds, exec } = options;
  const name = socket ?? exec ?? "the built-in back-end";
  const say = (line: string): void => (options.json ? output.note(line) : output.print(line));
  let told = performance.now();
  const onRound = (progress: SoakProgress): void => {
    output.progress(() => lineOf(progress));
    if (performance.now() - told < MINUTE_MS) return;
    told = performance.now();
    say(lineOf(progress));
  };
  const folder = makeRecordedFolder("stress");
  const soak = async (target?: SoakTarget): Promise<SoakResult> =>
    runSoak({ target, folder: folder.path, clients, durationMs, rounds, signal, onRound }).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        const message = error instanceof Error ? error.message : String(error);
        throw new CommandError(ExitCode.Failed, message, { cause: error });
      },
    );
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
  const faults = [
    ...(result.growth ? growthFaults(result.growth).map((fault) => `the back-end's ${fault}`) : []),
    ...growthFaults(result.clientGrowth).map((fault) => `a client process's ${fault}`),
  ];
  if (options.json) output.json({ schemaVersion: 1, of: name, ...result, faults });
  say(lineOf(result));
  if (result.growth) say(growthLine("back-end", result.growth));
  else say("back-end: its process cannot be seen from here, so nothing is known of what it holds");
  say(growthLine("client process", result.clientGrowth));
  if (faults.length > 0) throw new CommandError(ExitCode.Failed, faults.join("\n"));
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
  const held = target
    ? `; back-end: ${counted(target.descriptors, "descriptor")}, ${formatSize(target.residentBytes)} resident`
    : "";
  return (
    `${seconds.toFixed(0)} s, ${counted(rounds, "round")} of ${counted(clients, "client")}: ${counted(sessions, "session")}, ` +
    `${counted(requests, "request")} verified, ${counted(kills, "client")} killed${held}`
  );
}

function growthLine(who: string, { rounds, first, last }: Growth): string {
  const text =
    `${who}: descriptors ${first.descriptors} to ${last.descriptors}, shared mappings ${first.mappings} to ` +
    `${last.mappings}, resident ${formatSize(first.residentBytes)} to ${formatSize(last.residentBytes)}`;
  return rounds < ENOUGH_ROUNDS ? `${text} (too few rounds to tell growth from)` : text;
}
