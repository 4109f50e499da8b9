import { PeerClosedError, UsageError } from "../../core/base/index.ts";
import { reachablePath } from "../../core/os/index.ts";
import { makeRecordedFolder, ManagedProcess, startListening } from "../../lab/programs/index.ts";
import { fillIn, requireSocketPlace, splitWords, within } from "../../lab/conformance/index.ts";
import type { Context } from "./context.ts";

/** Milliseconds until a program must listen. */
const START_MS = 30_000;
/** A program that closed its connections as it died is seen to have ended this soon, milliseconds. */
const END_MS = 300;

/** Options that name the back-end of a command. */
export interface ExecOptions {
  /** A command that starts a back-end; `{socket}` in it is replaced with the path. */
  readonly exec?: string | undefined;
  readonly listen?: true | undefined;
}

/** A back-end that listens. */
export interface ListeningBackend {
  readonly socket: string;
  /** The process of a program that was started here. */
  readonly process: ManagedProcess | undefined;
}

/**
 * Works on the back-end that SOCKET names, or on one that is started for it and ended afterwards. When
 * the work fails because the program ended, or the program does not listen, its last output is in the
 * error.
 *
 * @throws {UsageError} not exactly one of the two, or no `{socket}`; {@link EnvironmentError} there is
 *   no such program; {@link PeerClosedError | TimeoutError} it does not listen
 */
export async function withBackend<T>(
  socket: string | undefined,
  { exec, listen }: ExecOptions,
  { signal }: Pick<Context, "signal">,
  work: (backend: ListeningBackend) => Promise<T>,
): Promise<T> {
  expectOneBackend(socket, exec);
  if (listen && exec !== undefined)
    throw new UsageError(
      "--exec and --listen cannot be combined: the program that --exec starts listens itself",
    );
  if (socket !== undefined) return work({ socket, process: undefined });
  const words = splitWords(exec ?? "");
  const folder = makeRecordedFolder("exec");
  try {
    const path = `${folder.path}/target.sock`;
    const filled = wordsWithSocket(words, path);
    const [program = "", ...args] = filled;
    const start = async (): Promise<ManagedProcess> => ManagedProcess.spawn(program, args);
    await using running = await startListening(path, start, { signal, timeoutMs: START_MS });
    try {
      return await work({ socket: reachablePath(path, running.pid), process: running });
    } catch (error) {
      throw await withOutput(error, running, signal);
    }
  } finally {
    folder.remove();
  }
}

/** Returns the name of the target in reports. */
export function targetName(socket: string | undefined, { exec }: ExecOptions): string {
  return socket ?? exec ?? "";
}

/** @throws {UsageError} the command does not say where the path goes */
export function wordsWithSocket(words: readonly string[], path: string): string[] {
  requireSocketPlace(words);
  return fillIn(words, { socket: path });
}

/** Adds the output of the program to any failure. */
async function withOutput(
  error: unknown,
  running: ManagedProcess,
  signal: AbortSignal,
): Promise<unknown> {
  if (signal.aborted || !(error instanceof Error) || error instanceof UsageError) return error;
  // Its connections are closed before its end can be seen.
  if (error instanceof PeerClosedError) await within(running.exited, END_MS);
  if (running.exit === undefined && running.output === "") return error;
  const how = `${running.name} (pid ${running.pid}) ${running.exitText}`;
  error.message = running.describe(`${error.message}\n${how}`);
  return error;
}

/** @throws {UsageError} neither or both of SOCKET and `--exec` are given */
export function expectOneBackend(socket: string | undefined, exec: string | undefined): void {
  if (socket !== undefined && exec !== undefined)
    throw new UsageError("SOCKET and --exec cannot be combined: each names the back-end");
  if (socket === undefined && exec === undefined)
    throw new UsageError(
      "a back-end is missing: name its SOCKET, or the command that starts it with --exec",
    );
}
