import { join } from "node:path";
import { ManagedProcess } from "../../../programs/index.ts";
import type { CheckContext } from "./context.ts";
import { CaseSkip } from "../../../engine/index.ts";
import { endText, type ProcessEnd, type TargetProgram } from "../../targets/target.ts";
import { fillIn } from "../../targets/words.ts";
import { within } from "../../targets/within.ts";

/** An option's name in front of its value, if any, and nothing else. */
const ALONE = /^(?:--?[\w-]+=)?\{socket\}$/;
const LONGEST_LINE = 120;

/** The outcome of a program that was started again. */
export interface Outcome {
  /** The end of the program; undefined if it was killed after its time-out. */
  readonly end: ProcessEnd | undefined;
  /** The output on the requested stream. */
  readonly text: string;
}

/** @throws {CaseSkip} the suite does not start it */
export function programOf({ target }: CheckContext): TargetProgram {
  if (target.program === undefined) throw new CaseSkip("the suite did not start the target");
  return target.program;
}

/** The words of the command with a socket at another path, so that the target keeps its own. */
export function wordsAt(words: readonly string[], socket: string): string[] {
  return fillIn(words, { socket });
}

/**
 * Returns the words of the command with the option `--socket-path` instead of the option that says
 * where the program is to listen; besides it, where that is part of something larger.
 */
export function wordsWithSocketPath(words: readonly string[], socket: string): string[] {
  const option = `--socket-path=${socket}`;
  const at = words.findIndex((word) => ALONE.test(word));
  if (at < 0) return [...wordsAt(words, `${socket}-unused`), option];
  // `--socket PATH` is two words, of which both go.
  const two = words[at] === "{socket}" && /^--?[a-z]/.test(words[at - 1] ?? "");
  return words.toSpliced(two ? at - 1 : at, two ? 2 : 1, option);
}

/**
 * Starts the program again. It ends with the check.
 *
 * @param only the stream that is kept
 */
export async function startOnce(
  t: CheckContext,
  [program = "", ...args]: readonly string[],
  only?: "stdout" | "stderr",
): Promise<ManagedProcess> {
  t.exchange.note("program", [program, ...args].join(" "));
  const started = await ManagedProcess.spawn(program, args, { only });
  t.closing({ close: () => started.signal("SIGKILL") });
  return started;
}

/**
 * Starts the program again, which must end by itself.
 *
 * @throws {CaseFailure} it crashes
 */
export async function runOnce(
  t: CheckContext,
  words: readonly string[],
  only: "stdout" | "stderr",
): Promise<Outcome> {
  const started = await startOnce(t, words, only);
  await within(started.exited, t.times.programMs);
  const end = started.exit;
  if (end !== undefined) t.observe("exit");
  if (end === undefined) await started.kill();
  else if (end.signal !== null) t.fail("it crashed", "an end of its own", endText(end), "FAIL");
  return { end, text: started.output };
}

/** Describes the end of a program and its last output. */
export function outcomeText({ end, text }: Outcome): string {
  const last = text.trim().split("\n").at(-1) ?? "";
  const ended = end ? endText(end) : "still running";
  return last === "" ? ended : `${ended}: ${last.slice(0, LONGEST_LINE)}`;
}

/** Ends the target's own process: it would hold what another one needs, such as locks. */
export async function makeRoom(t: CheckContext): Promise<void> {
  t.closeSessions();
  await programOf(t).end("SIGKILL", t.times.programMs);
}

/** A path in the target's folder where there is nothing. */
export function freePath(t: CheckContext, ...names: readonly string[]): string {
  return join(programOf(t).folder, ...names);
}
