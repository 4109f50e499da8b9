import { lstatSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";
import {
  ConnectError,
  Deferred,
  EnvironmentError,
  SystemError,
  TimeoutError,
  UsageError,
  type WaitOptions,
} from "../base/index.ts";
import {
  effectiveUserId,
  listeningPaths,
  type OwnedFd,
  pathProblem,
  Poller,
  type SocketAccess,
  UnixListener,
  UnixSocket,
} from "../os/index.ts";

/** Connections accepted in one turn of the event loop. */
const ACCEPT_BUDGET = 64;
/** Pause after the process ran out of descriptors: a waiting connection would wake us at once again. */
const STARVED_PAUSE_MS = 100;

/** Accepts connections on a Unix socket path. */
export class SocketServer {
  readonly path: string;
  readonly #listener: UnixListener;
  readonly #poller: Poller;
  #pause: NodeJS.Timeout | undefined;

  private constructor(listener: UnixListener, onSocket: (socket: UnixSocket) => void) {
    this.path = listener.path;
    this.#listener = listener;
    this.#poller = new Poller(listener.fd, { readable: true }, () => this.#accept(onSocket));
  }

  /**
   * Listens on a path of mode 0600, or the mode in `access`. It replaces a stale socket of this
   * user; every other file stays.
   *
   * @param onSocket owns the socket
   * @throws {UsageError} the path is taken or too long
   * @throws {EnvironmentError} no permission, or no such folder
   */
  static async listen(
    path: string,
    onSocket: (socket: UnixSocket) => void,
    access: SocketAccess = {},
  ): Promise<SocketServer> {
    return new SocketServer(await bind(path, access), onSocket);
  }

  /**
   * Accepts on a listening socket that other code made. It takes the socket over; the path stays.
   */
  static adopt(fd: OwnedFd, onSocket: (socket: UnixSocket) => void): SocketServer {
    return new SocketServer(UnixListener.adopt(fd), onSocket);
  }

  /** Stops listening, and removes the path if it is still the one made here. */
  close(): void {
    clearTimeout(this.#pause);
    this.#poller.close();
    this.#listener.close();
  }

  #accept(onSocket: (socket: UnixSocket) => void): void {
    for (let i = 0; i < ACCEPT_BUDGET && !this.#listener.closed; i += 1) {
      let socket: UnixSocket | undefined;
      try {
        socket = this.#listener.accept();
      } catch {
        // The process is out of descriptors or memory: waiting connections stay in the backlog
        // until it has some.
        this.#poller.update({});
        this.#pause = setTimeout(() => this.#poller.update({ readable: true }), STARVED_PAUSE_MS);
        return;
      }
      if (socket === undefined) return;
      onSocket(socket);
    }
  }
}

/**
 * Listens until the first connection, and returns it.
 *
 * @throws {UsageError} the path is taken or too long
 * @throws {EnvironmentError} no permission, or no such folder
 * @throws {TimeoutError} no peer connected
 */
export async function acceptSocket(path: string, options: WaitOptions = {}): Promise<UnixSocket> {
  options.signal?.throwIfAborted();
  const first = new Deferred<UnixSocket>(
    options,
    () => new TimeoutError(`${path}: no program connected within ${options.timeoutMs} ms`),
  );
  let server: SocketServer | undefined;
  try {
    server = await SocketServer.listen(path, (socket) => {
      if (first.settled) socket.close();
      else first.resolve(socket);
    });
    return await first.promise;
  } catch (error) {
    first.reject(error);
    throw error;
  } finally {
    server?.close();
  }
}

async function bind(path: string, access: SocketAccess): Promise<UnixListener> {
  try {
    return UnixListener.listen(path, access);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code !== "EADDRINUSE") throw explain(path, error, access);
  }
  await removeStaleSocket(path);
  try {
    return UnixListener.listen(path, access);
  } catch (error) {
    throw error instanceof SystemError ? explain(path, error, access) : error;
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before === undefined) return;
  if (!before.isSocket()) {
    throw new UsageError(
      `${path} is an existing ${before.isDirectory() ? "folder" : "file"} and not a socket; ` +
        `it was left alone: choose another path or remove it yourself`,
    );
  }
  if (before.uid !== effectiveUserId()) {
    throw new UsageError(
      `${path} is a socket of another user (uid ${before.uid}); choose another path`,
    );
  }
  if (await hasListener(path)) {
    throw new UsageError(
      `${path}: another program listens on this socket; stop it or choose another path`,
    );
  }
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now?.ino === before.ino && now.dev === before.dev) unlinkSync(path);
}

/**
 * Returns whether a process listens on the path. It first reads the kernel's table, which needs no
 * connection but may spell the path differently.
 */
async function hasListener(path: string): Promise<boolean> {
  const listening = listeningPaths();
  if (listening.has(path) || listening.has(resolve(path))) return true;
  try {
    (await UnixSocket.connect(path, { timeoutMs: 0 })).close();
    return true;
  } catch (error) {
    return !(error instanceof SystemError && error.code === "ECONNREFUSED");
  }
}

function explain(path: string, error: SystemError, { group }: SocketAccess): Error {
  const options = { cause: error };
  if (error.code === "EPERM" && group !== undefined) {
    return new EnvironmentError(
      `${path}: cannot give the socket to group ${group} (EPERM); run as root or as a member of that group`,
      options,
    );
  }
  if (error.code === "EACCES" || error.code === "EPERM" || error.code === "EROFS") {
    return new EnvironmentError(
      `${path}: no permission to make a socket there (${error.code}); ` +
        `choose a folder that you may write to`,
      options,
    );
  }
  if (error.code === "ENOENT" || error.code === "ENOTDIR") {
    const problem = pathProblem(path);
    return new UsageError(
      `${path}: cannot make the socket, ${problem?.text ?? "there is no such folder"}; ${problem?.remedy ?? "choose another path"}`,
      options,
    );
  }
  return new ConnectError(`${path}: cannot listen: ${error.message}`, options);
}
