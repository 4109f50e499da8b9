import { constants } from "node:os";
import { reachablePath } from "../../../../core/os/index.ts";
import type { Direction } from "../../../../core/protocol/index.ts";
import { fillIn } from "../../../../lab/conformance/index.ts";
import { within } from "../../../../lab/conformance/index.ts";
import {
  ManagedProcess,
  type ProcessExit,
  startListening,
} from "../../../../lab/programs/index.ts";
import type { Context } from "../../context.ts";
import type { Side } from "./sides.ts";

/** Milliseconds until a program must listen. */
const START_MS = 30_000;
/** Milliseconds that the front-end may take to end by itself once the back-end has ended. */
const LEFT_MS = 5000;
const STOP_MS = 2000;

/** A program that was started for one side. */
export interface SideProgram {
  readonly role: Direction;
  readonly process: ManagedProcess;
  /** It was ended here, so its exit says nothing. */
  stopped: boolean;
}

/**
 * Starts the program of a side, and waits for its socket if it listens.
 *
 * @param print takes each line that the program prints
 * @returns where it listens
 */
export async function startSide(
  { role, listens, words = [] }: Side,
  socket: string,
  { output, signal }: Context,
  print: (line: string) => void = (line) => output.note(`${role}: ${line}`),
): Promise<{ readonly program: SideProgram; readonly reached: string }> {
  const [command = "", ...args] = fillIn(words, { socket });
  const lines = new OutputLines(print);
  const start = async (): Promise<ManagedProcess> =>
    ManagedProcess.spawn(command, args, { onOutput: (chunk) => lines.push(chunk) });
  const process = listens
    ? await startListening(socket, start, { signal, timeoutMs: START_MS })
    : await start();
  void process.exited.then(() => lines.end());
  const reached = listens ? reachablePath(socket, process.pid) : socket;
  return { program: { role, process, stopped: false }, reached };
}

/** Waits until the front-end's program ends, or the back-end's and then the front-end's. */
export async function untilProgramsEnd(programs: readonly SideProgram[]): Promise<void> {
  const frontEnd = programs.find(({ role }) => role === "front-end");
  const backEnd = programs.find(({ role }) => role === "back-end");
  const ends = [frontEnd, backEnd].flatMap((each) => (each ? [each.process.exited] : []));
  await Promise.race(ends);
  if (frontEnd?.process.exit === undefined && frontEnd !== undefined) {
    await within(frontEnd.process.exited, LEFT_MS);
  }
}

/** Ends what still runs, the front-end first. */
export async function stopPrograms(programs: readonly SideProgram[]): Promise<void> {
  for (const program of programs.toReversed()) {
    if (program.process.exit !== undefined) continue;
    program.stopped = true;
    await program.process.stop({ graceMs: STOP_MS });
  }
}

/** The status to pass on: the front-end's, else the back-end's; 0 if both were ended here. */
export function statusOf(programs: readonly SideProgram[]): number {
  const own = programs.filter(({ stopped }) => !stopped);
  const chosen = own.find(({ role }) => role === "front-end") ?? own[0];
  return chosen?.process.exit === undefined ? 0 : codeOf(chosen.process.exit);
}

/** As a shell has it: 128 and the number of the signal. */
function codeOf({ code, signal }: ProcessExit): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Cuts output into lines. */
class OutputLines {
  readonly #print: (line: string) => void;
  #rest = "";

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString()).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-LONGEST_LINE);
    for (const line of lines) this.#print(line);
  }

  end(): void {
    if (this.#rest !== "") this.#print(this.#rest);
    this.#rest = "";
  }
}

const LONGEST_LINE = 65_536;
