import { counted, delay, UsageError } from "../../../../core/base/index.ts";
import { processFigures } from "../../../../core/os/index.ts";
import type { Direction } from "../../../../core/protocol/index.ts";
import { within } from "../../../../lab/conformance/index.ts";
import { makeRecordedFolder } from "../../../../lab/programs/index.ts";
import { RawFrontend } from "../../../../lab/wire/index.ts";
import type { Context } from "../../context.ts";
import { type SideProgram, startSide } from "./programs.ts";
import type { Sides } from "./sides.ts";
import { type CutMessage, runOnce, type TorturedRun, unprinted } from "./torture-session.ts";

/** Cuts of one run of the command; a longer session is cut at messages spread over it. */
export const MAX_CUTS = 1000;
/** Milliseconds for a program to end, to answer, or to close what it received. */
const LIMIT_MS = 10_000;
const ANSWER_MS = 5000;
const SETTLE_MS = 1000;
const LOOK_MS = 20;

/** A program that a cut has harmed. */
export interface TortureFinding extends CutMessage {
  readonly program: Direction;
  readonly what: "crashed" | "ended" | "hung" | "leaked";
  readonly text: string;
}

export interface TortureOptions {
  /** The most cuts to make. */
  readonly cuts: number;
  readonly json: boolean;
}

/** A back-end that runs, and what it held after the session that was not cut. */
interface Running {
  readonly program: SideProgram;
  readonly reached: string;
  descriptors: number;
  mappings: number;
}

/**
 * Repeats a session and cuts it before each message in turn. The back-end keeps running as long as it
 * lives.
 *
 * @returns the number of findings
 * @throws {UsageError} the session that is not cut has no message
 */
export async function torture(
  { frontEnd, backEnd }: Sides,
  { cuts, json }: TortureOptions,
  context: Context,
): Promise<number> {
  const { output, signal } = context;
  const folder = makeRecordedFolder("torture");
  const findings: TortureFinding[] = [];
  const place = `${folder.path}/back-end.sock`;
  let running: Running | undefined;
  let runs = 0;
  const started = async (): Promise<Running> => {
    const { program, reached } = await startSide(backEnd, place, context, unprinted);
    return { program, reached, descriptors: Infinity, mappings: Infinity };
  };
  const run = async (connect: string, cutAt: number, limitMs: number): Promise<TorturedRun> => {
    const listen = `${folder.path}/front-end-${(runs += 1)}.sock`;
    return runOnce(frontEnd, { listen, connect, cutAt, limitMs }, context);
  };
  try {
    running = await started();
    const whole = await run(running.reached, 0, LIMIT_MS * 6);
    signal.throwIfAborted();
    if (whole.messages === 0 || whole.hung) throw new UsageError(unusable(whole));
    const isLasting = running.program.process.exit === undefined;
    const numbers = spread(whole.messages, cuts);
    for (const [at, number] of numbers.entries()) {
      output.progress(
        () => `cut ${at + 1} of ${numbers.length}, ${counted(findings.length, "finding")}`,
      );
      if (running.program.process.exit !== undefined) running = await started();
      if (isLasting) await settle(running);
      const {
        cut,
        frontEnd: program,
        hung,
      } = await run(running.reached, number, whole.ms + LIMIT_MS);
      signal.throwIfAborted();
      if (cut === undefined) continue;
      const found = [
        ...frontEndFindings(program, hung),
        ...(await backEndFindings(running, isLasting)),
      ];
      for (const each of found) {
        const finding = { ...cut, ...each };
        findings.push(finding);
        if (!json) output.print(describe(finding));
      }
      if (found.some(({ program: side, what }) => side === "back-end" && what === "hung")) {
        await running.program.process.kill();
      }
    }
    if (json) {
      const counts = { messages: whole.messages, cuts: numbers.length };
      output.json({ schemaVersion: 1, kind: "torture", ...counts, findings });
    } else output.print(total(whole.messages, numbers.length, findings.length));
    return findings.length;
  } finally {
    await running?.program.process.stop();
    folder.remove();
  }
}

/** Chooses `cuts` numbers from 1 to `messages` at most, spread evenly. */
function spread(messages: number, cuts: number): number[] {
  const count = Math.min(messages, cuts);
  return Array.from({ length: count }, (_, i) => 1 + Math.floor((i * messages) / count));
}

type Found = Omit<TortureFinding, keyof CutMessage>;

function frontEndFindings({ process: { exit, exitText } }: SideProgram, hung: boolean): Found[] {
  const program = "front-end";
  if (hung) return [{ program, what: "hung", text: `did not end, and was killed` }];
  if (exit === undefined || exit.signal === null) return [];
  return [{ program, what: "crashed", text: exitText }];
}

async function backEndFindings(running: Running, isLasting: boolean): Promise<Found[]> {
  const { process } = running.program;
  const program = "back-end";
  const ended = (): Found[] => {
    if (process.exit === undefined) return [];
    const { signal } = process.exit;
    if (signal !== null) return [{ program, what: "crashed", text: process.exitText }];
    return isLasting ? [{ program, what: "ended", text: process.exitText }] : [];
  };
  if (!isLasting) {
    for (const end = performance.now() + LIMIT_MS; process.exit === undefined;) {
      if (performance.now() > end) {
        return [{ program, what: "hung", text: "did not end with its session, and was killed" }];
      }
      await delay(LOOK_MS);
    }
    return ended();
  }
  const isAlive = await answers(running.reached);
  // A program that crashes is gone for its peers before its exit is known: it may write a core file.
  if (!isAlive) await within(process.exited, SETTLE_MS);
  if (process.exit !== undefined) return ended();
  if (!isAlive) {
    const text = `answered no GET_FEATURES on a new connection within ${ANSWER_MS} ms`;
    return [{ program, what: "hung", text }];
  }
  return leaks(running);
}

/** Returns whether the back-end serves a new connection. */
async function answers(path: string): Promise<boolean> {
  try {
    const frontend = await RawFrontend.connect(path, { timeoutMs: ANSWER_MS });
    try {
      return await frontend.alive();
    } finally {
      frontend.close();
    }
  } catch {
    return false;
  }
}

/** Remembers what the back-end holds without a session. */
async function settle(running: Running): Promise<void> {
  if (Number.isFinite(running.descriptors)) return;
  await answers(running.reached);
  const { pid } = running.program.process;
  let [descriptors, mappings] = [Infinity, Infinity];
  for (const end = performance.now() + SETTLE_MS; performance.now() < end;) {
    const now = processFigures(pid);
    if (now === undefined) return;
    descriptors = Math.min(descriptors, now.descriptors);
    mappings = Math.min(mappings, now.sharedMappings);
    await delay(LOOK_MS);
  }
  Object.assign(running, { descriptors, mappings });
}

/** Looks until the back-end holds what it held before, or for a second. */
async function leaks(running: Running): Promise<Found[]> {
  for (const end = performance.now() + SETTLE_MS; ;) {
    const now = processFigures(running.program.process.pid);
    if (now === undefined) return [];
    const descriptors = now.descriptors - running.descriptors;
    const mappings = now.sharedMappings - running.mappings;
    if (descriptors <= 0 && mappings <= 0) return [];
    if (performance.now() > end) {
      // The next cut is judged by what is left now.
      running.descriptors += Math.max(0, descriptors);
      running.mappings += Math.max(0, mappings);
      const parts = [
        descriptors > 0 ? counted(descriptors, "descriptor") : "",
        mappings > 0 ? counted(mappings, "shared mapping") : "",
      ].filter((part) => part !== "");
      return [
        {
          program: "back-end",
          what: "leaked",
          text: `holds ${parts.join(" and ")} more than before`,
        },
      ];
    }
    await delay(LOOK_MS);
  }
}

function describe({ number, request, from, program, what, text }: TortureFinding): string {
  return `cut before message ${number}, ${request} of the ${from}: the ${program} ${what}: ${text}`;
}

function total(messages: number, cuts: number, findings: number): string {
  const made = `${counted(messages, "message")}, ${counted(cuts, "cut")}`;
  return findings === 0
    ? `${made}: neither program crashed, hung or leaked`
    : `${made}: ${counted(findings, "finding")}`;
}

function unusable({ messages, hung }: TorturedRun): string {
  const what = hung ? "did not end within 70 s" : `ended after ${counted(messages, "message")}`;
  return `--torture repeats a session, and the front-end ${what}; use one that connects and ends by itself`;
}
