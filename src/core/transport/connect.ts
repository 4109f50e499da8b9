import { statSync } from "node:fs";
import { resolve } from "node:path";
import {
  ConnectError,
  EnvironmentError,
  SystemError,
  TimeoutError,
  type WaitOptions,
} from "../base/index.ts";
import { describeProcess, listenerProcessId, pathProblem, UnixSocket } from "../os/index.ts";

/**
 * Connects to a listening Unix socket.
 *
 * @throws {UsageError} the path is longer than a socket address holds
 * @throws {ConnectError} no such path, not a socket, or no program listens
 * @throws {EnvironmentError} no permission
 * @throws {TimeoutError} the listener's backlog stayed full
 */
export async function connectSocket(path: string, options: WaitOptions = {}): Promise<UnixSocket> {
  try {
    return await UnixSocket.connect(path, options);
  } catch (error) {
    if (error instanceof TimeoutError) {
      throw new TimeoutError(`${error.message}; ${describeListener(path)}`, { cause: error });
    }
    throw error instanceof SystemError ? explain(path, error) : error;
  }
}

/** Describes the program that listens, without connecting to it. */
function describeListener(path: string): string {
  const pid = listenerProcessId(path) ?? listenerProcessId(resolve(path));
  return pid === undefined
    ? "who listens there cannot be seen from here"
    : `listener is ${describeProcess(pid)}: it may be stopped, or busy; start it again`;
}

/** Describes the process that listened when the socket connected: `pid 12 (program)`. */
export function describePeer(socket: UnixSocket): string {
  return describeProcess(socket.peer.pid);
}

function explain(path: string, error: SystemError): Error {
  const options = { cause: error };
  const problem = pathProblem(path);
  if (error.code === "ENOENT") {
    const { text, isMissing } = problem ?? { text: "there is no such file", isMissing: true };
    const advice = isMissing
      ? "start the other side first"
      : "name the socket that the other side listens on";
    return new ConnectError(`${path}: no program listens there: ${text}; ${advice}`, options);
  }
  if (error.code === "EACCES" || error.code === "EPERM") {
    return new EnvironmentError(
      `connect: Permission denied: ${path}; this user lacks write permission on the socket or search ` +
        `permission on its folders; run as the user who started the listener`,
      options,
    );
  }
  if (error.code === "ECONNREFUSED" || error.code === "ENOTSOCK" || error.code === "ENOTDIR") {
    const kind = kindOf(path);
    return new ConnectError(
      kind === "socket"
        ? `${path}: no program listens on this socket (connection refused); ` +
            `start the other side first`
        : `${path}: ${kind === undefined ? (problem?.text ?? "there is no such file") : `it is ${kind} and not a socket`}; name the socket that the other side listens on`,
      options,
    );
  }
  if (error.code === "EPROTOTYPE") {
    return new ConnectError(
      `${path}: it is not a stream socket; name the socket of a vhost-user program`,
      options,
    );
  }
  return new ConnectError(`${path}: cannot connect: ${error.message}`, options);
}

/** Describes the file at a path; undefined if it cannot be examined. */
export function kindOf(path: string): string | undefined {
  let stats;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  if (stats === undefined) return "nothing";
  if (stats.isSocket()) return "socket";
  if (stats.isDirectory()) return "a directory";
  if (stats.isFile()) return "a regular file";
  return "a special file";
}
