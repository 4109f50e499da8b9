import { readFileSync } from "node:fs";
import { counted, UsageError } from "../../../../core/base/index.ts";
import { makeRecordedFolder, ManagedProcess } from "../../../../lab/programs/index.ts";
import {
  replay,
  REPLAY_MASKS,
  type ReplayOptions,
  type ReplayResult,
} from "../../../../lab/replay/index.ts";
import { MASKS, oneLine } from "../../../../lab/trace/index.ts";
import { splitWords } from "../../../../lab/conformance/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { withBackend, wordsWithSocket } from "../../exec-backend.ts";
import { ExitCode } from "../../exit-code.ts";
import { withUserFile } from "../../files.ts";

export interface ReplayCommandOptions extends CommonOptions {
  readonly exec?: string | undefined;
  readonly listen?: true | undefined;
  readonly frontEnd?: true | undefined;
  readonly adapt?: true | undefined;
  readonly paced?: true | undefined;
  readonly repeat: number;
  readonly session?: number | undefined;
  readonly last?: number | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly json?: true | undefined;
}

/** Plays one side of a capture, and prints whether the other one did as recorded. */
export async function runReplay(
  capture: string,
  socket: string | undefined,
  options: ReplayCommandOptions,
  context: Context,
): Promise<void> {
  const { signal, output } = context;
  const text = withUserFile(capture, "a capture", "name the file that trace --write made", () =>
    readFileSync(capture, "utf8"),
  );
  const results: ReplayResult[] = [];
  const play: Play = async (path, listen, end = signal) => {
    const common = { socket: path, listen, signal: AbortSignal.any([signal, end]) };
    const result = await replay(text, { ...playOptions(options), ...common });
    results.push(result);
    return result.divergence === undefined;
  };
  if (options.frontEnd && options.exec !== undefined) {
    if (socket !== undefined) {
      throw new UsageError(
        "SOCKET and --exec cannot be combined: the program gets a socket of ours",
      );
    }
    await playFrontEnds(options.exec, options.repeat, play);
  } else {
    const listens = options.listen === true;
    await withBackend(socket, options, context, async ({ socket: path }) => {
      for (let i = 0; i < options.repeat; i += 1) if (!(await play(path, listens))) break;
    });
  }
  const [last] = results.slice(-1);
  if (last === undefined) return;
  if (options.json) {
    const head = { schemaVersion: 1, kind: "replay", capture, rounds: results.length } as const;
    output.json({ ...head, masks: REPLAY_MASKS, ...last });
  } else {
    const all = describeReplay(last, results.length);
    const shown = options.quiet ? all.verdict : [...all.details, ...all.verdict];
    for (const line of shown) output.print(oneLine(line));
  }
  if (last.divergence !== undefined) process.exitCode = ExitCode.Failed;
}

function playOptions({
  frontEnd,
  adapt,
  paced,
  session,
  last,
  timeout,
}: ReplayCommandOptions): Omit<ReplayOptions, "socket"> {
  return {
    role: frontEnd ? "back-end" : "front-end",
    mode: adapt ? "adapt" : "strict",
    paced: paced === true,
    session,
    to: last,
    timeoutMs: timeout,
  };
}

/** Plays a round, and returns whether the program did as recorded. */
type Play = (path: string, listen: boolean, end?: AbortSignal) => Promise<boolean>;

/** Each round starts the program, which connects to a socket of ours. */
async function playFrontEnds(command: string, rounds: number, play: Play): Promise<void> {
  const words = splitWords(command);
  for (let i = 0; i < rounds; i += 1) {
    const folder = makeRecordedFolder("replay");
    const path = `${folder.path}/replay.sock`;
    const [program = "", ...args] = wordsWithSocket(words, path);
    const end = new AbortController();
    try {
      const played = play(path, true, end.signal);
      // A program that cannot be started is the reason to give, not that it did not connect.
      played.catch(() => undefined);
      await using running = await ManagedProcess.spawn(program, args);
      void running;
      if (!(await played)) return;
    } finally {
      end.abort();
      folder.remove();
    }
  }
}

function describeReplay(
  { sent, compared, skipped, differences, divergence }: ReplayResult,
  rounds: number,
): { readonly details: readonly string[]; readonly verdict: readonly string[] } {
  const masks = REPLAY_MASKS.map((mask) => MASKS[mask].split(/[;,] | \(/)[0]).join("; ");
  const details = [
    `left out: ${masks}`,
    ...(skipped.length === 0 ? [] : [`not sent, for lack of a feature: ${skipped.join(", ")}`]),
    ...differences.flatMap(({ number, expected, got }) => [
      `message ${number} differs: ${got}`,
      `         recorded: ${expected}`,
    ]),
  ];
  if (divergence !== undefined) {
    const { number, expected, got } = divergence;
    const round = rounds > 1 ? ` in round ${rounds}` : "";
    const verdict = [
      `diverged at message ${number}${round}`,
      `  expected: ${expected}`,
      `  got:      ${got}`,
    ];
    return { details, verdict };
  }
  const times = rounds > 1 ? `, ${counted(rounds, "round")}` : "";
  const verdict = `as recorded: ${counted(sent, "message")} sent, ${compared} compared${times}`;
  return { details, verdict: [verdict] };
}
