import { Deferred, TimeoutError } from "../../core/base/index.ts";
import type { UnixSocket } from "../../core/os/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import { connectSocket, SocketServer } from "../../core/transport/index.ts";
import { RawPeer } from "../wire/index.ts";
import type { ReplayMode } from "./judge.ts";
import { ReplayPlayer, type ReplayResult } from "./player.ts";
import { readScript, type ScriptOptions } from "./script.ts";

const ANSWER_MS = 5000;

/** The options for replaying a session. */
export interface ReplayOptions extends ScriptOptions {
  /** Path of the socket of the program under test. */
  readonly socket: string;
  /** Makes the socket, and waits for the program to connect. Default false: connects to it. */
  readonly listen?: boolean | undefined;
  /** The side that is played. Default `front-end`: the program under test is a back-end. */
  readonly role?: Direction | undefined;
  /** Default `strict`. */
  readonly mode?: ReplayMode | undefined;
  /** Keeps the recorded intervals. Default false: as fast as the program answers. */
  readonly paced?: boolean | undefined;
  /** Milliseconds that a message of the program may take. Default 5000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Plays one side of a recorded session against a program, and stops at the first message that differs.
 * Memory is as large as in the recording, and empty: the control messages are replayed, not the
 * requests on the rings.
 *
 * @param capture text of a capture
 * @throws {UsageError} the capture cannot be read
 * @throws {ConnectError | TimeoutError} the program cannot be reached
 *
 * @example
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { replay } from "vhost-user/testing";
 *
 * async function expectSame(socket: string): Promise<void> {
 *   const { divergence } = await replay(readFileSync("session.jsonl", "utf8"), { socket });
 *   if (divergence !== undefined) throw new Error(`expected ${divergence.expected}`);
 * }
 * ```
 */
export async function replay(capture: string, options: ReplayOptions): Promise<ReplayResult> {
  const { role = "front-end", mode = "strict", paced = false, signal } = options;
  const { timeoutMs = ANSWER_MS } = options;
  const script = readScript(capture, options);
  const socket = await reach(options, timeoutMs);
  const name = `the played ${role}`;
  const peer = new RawPeer(socket, { direction: "front-end", timeoutMs, name });
  try {
    peer.read();
    return await new ReplayPlayer(peer, script, { role, mode, paced, signal }).play();
  } finally {
    peer.close();
  }
}

async function reach(
  { socket: path, listen, signal }: ReplayOptions,
  timeoutMs: number,
): Promise<UnixSocket> {
  if (listen !== true) return connectSocket(path, { signal });
  const noProgram = (): TimeoutError =>
    new TimeoutError(
      `no program connected to ${path} within ${timeoutMs} ms; start it, or give it this socket`,
    );
  const came = new Deferred<UnixSocket>({ signal, timeoutMs }, noProgram);
  const server = await SocketServer.listen(path, (socket) => {
    if (came.settled) socket.close();
    else came.resolve(socket);
  });
  try {
    return await came.promise;
  } finally {
    server.close();
  }
}
