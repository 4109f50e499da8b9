import { asError, type WaitOptions } from "../../core/base/index.ts";
import { Deferred, delay, onAbort, UsageError, VhostUserError } from "../../core/base/index.ts";
import {
  isListeningSocket,
  type OwnedFd,
  type SocketAccess,
  UnixSocket,
} from "../../core/os/index.ts";
import { connectSocket, SocketServer } from "../../core/transport/index.ts";
import type { Device } from "./device.ts";
import { BackendSession } from "./session.ts";
import type { SessionOptions } from "./session-options.ts";

export interface BackendOptions extends Omit<SessionOptions, "device"> {
  /** Makes the device of a new session. */
  readonly device: () => Device;
  readonly onSession?: ((session: BackendSession) => void) | undefined;
  readonly onSessionEnd?: ((session: BackendSession, reason: Error) => void) | undefined;
}

export interface BackendListenOptions extends BackendOptions {
  /** Access rights of the socket path. Default: only this user may connect. */
  readonly access?: SocketAccess | undefined;
}

/**
 * A back-end that listens on a path and serves any number of front-ends at once.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { BlockDevice } from "vhost-user/devices/block";
 * import { BlockStorage } from "vhost-user/storage";
 *
 * const storage = BlockStorage.memory(64 << 20);
 * const server = await BackendServer.listen("my-disk.sock", {
 *   device: () => new BlockDevice({ storage }),
 * });
 * server.close();
 * storage.close();
 * ```
 */
export class BackendServer {
  readonly sessions = new Set<BackendSession>();
  /** Sessions whose device may still have requests in flight. */
  readonly #unfinished = new Set<Promise<void>>();
  readonly #options: BackendOptions;
  #server: SocketServer | undefined;

  private constructor(options: BackendOptions) {
    this.#options = options;
  }

  /** @throws {UsageError | EnvironmentError} see `SocketServer.listen` */
  static async listen(path: string, options: BackendListenOptions): Promise<BackendServer> {
    const backend = new BackendServer(options);
    const serve = (socket: UnixSocket): void => backend.#serve(socket);
    backend.#server = await SocketServer.listen(path, serve, options.access);
    return backend;
  }

  /** Serves the front-ends that connect to an inherited listening socket, which it takes over. */
  static adopt(fd: OwnedFd, options: BackendOptions): BackendServer {
    const backend = new BackendServer(options);
    backend.#server = SocketServer.adopt(fd, (socket) => backend.#serve(socket));
    return backend;
  }

  /** Stops listening, removes the path, ends the sessions. */
  close(): void {
    this.#server?.close();
    for (const session of this.sessions) session.close();
  }

  /** Like {@link close}; resolves once no device has a request in flight. */
  async end(): Promise<void> {
    this.close();
    await Promise.all(this.#unfinished);
  }

  #serve(socket: UnixSocket): void {
    let session: BackendSession;
    try {
      session = startSession(socket, this.#options);
    } catch (error) {
      // One connection that cannot be served does not end the other sessions.
      this.#options.onProblem?.(asError(error), false);
      return;
    }
    this.sessions.add(session);
    void session.closed.then(() => this.sessions.delete(session));
    const { ended } = session;
    this.#unfinished.add(ended);
    void ended.then(() => this.#unfinished.delete(ended));
  }
}

export interface BackendConnectOptions extends BackendOptions, WaitOptions {
  /** Connects again whenever the front-end goes away. Default false. */
  readonly reconnect?: boolean | undefined;
  /**
   * Pause before another attempt, milliseconds; it doubles with each that fails or whose session is
   * shorter than the longest pause. Default 100.
   */
  readonly retryMs?: number | undefined;
  /** Longest pause, milliseconds. Default 2000. */
  readonly maxRetryMs?: number | undefined;
  /** Called before each pause. */
  readonly onRetry?: ((retry: BackendRetry) => void) | undefined;
}

/** Another attempt to connect is due. */
export interface BackendRetry {
  /** Attempts in a row that failed or whose session was short; 0 after one that lasted. */
  readonly failures: number;
  /** Milliseconds until the attempt. */
  readonly pauseMs: number;
}

/**
 * Runs a back-end that connects to a front-end's listening socket. Resolves when the session has
 * ended; with `reconnect` it continues until the signal aborts.
 *
 * @throws {ConnectError | EnvironmentError | UsageError} the first connection failed
 */
export async function connectBackend(path: string, options: BackendConnectOptions): Promise<void> {
  const { reconnect = false, retryMs = 100, maxRetryMs = 2000, signal, timeoutMs } = options;
  let session: BackendSession | undefined;
  for (let failures = 0; ;) {
    const since = performance.now();
    let socket: UnixSocket | undefined;
    try {
      socket = await connectSocket(path, { signal, timeoutMs });
    } catch (error) {
      if (signal?.aborted) break;
      if (session === undefined || !VhostUserError.isVhostUserError(error)) throw error;
    }
    if (socket !== undefined) {
      session = startSession(socket, options);
      await endOf(session, signal);
    }
    if (!reconnect || signal?.aborted) break;
    // Without a session or with a short one: there may be none that lasts for a long time.
    failures = performance.now() - since < maxRetryMs ? failures + 1 : 0;
    const pauseMs = Math.min(retryMs * 2 ** Math.max(0, failures - 1), maxRetryMs);
    options.onRetry?.({ failures, pauseMs });
    await delay(pauseMs, signal).catch(() => undefined);
    if (signal?.aborted) break;
  }
  await session?.ended;
}

/** Resolves once the connection is gone; the signal closes it. */
async function endOf(session: BackendSession, signal: AbortSignal | undefined): Promise<void> {
  const ignoreSignal = onAbort(signal, () => session.close());
  if (signal?.aborted) session.close();
  await session.closed;
  ignoreSignal();
}

/**
 * Serves an inherited socket, which is taken over: a listening one until the signal aborts, a
 * connected one until its session ends.
 *
 * @param options.onReady called once the socket is served
 * @throws {UsageError} it is not a socket
 */
export async function serveInherited(
  fd: OwnedFd,
  options: BackendOptions & WaitOptions & { readonly onReady?: (() => void) | undefined },
): Promise<void> {
  const { signal } = options;
  const over = new Deferred<void>({});
  const stop = (): void => over.resolve();
  const ignoreSignal = onAbort(signal, stop);
  if (signal?.aborted) stop();
  const serving = isListening(fd)
    ? BackendServer.adopt(fd, options)
    : startSession(UnixSocket.adopt(fd), options);
  if (serving instanceof BackendSession) void serving.closed.then(stop);
  try {
    options.onReady?.();
    await over.promise;
  } finally {
    ignoreSignal();
    serving.close();
    await (serving instanceof BackendServer ? serving.end() : serving.ended);
  }
}

function isListening(fd: OwnedFd): boolean {
  try {
    return isListeningSocket(fd.fd);
  } catch (cause) {
    throw new UsageError(
      `descriptor ${fd.fd} is not a listening or connected socket; pass one that is`,
      {
        cause,
      },
    );
  }
}

function startSession(socket: UnixSocket, options: BackendOptions): BackendSession {
  let device: Device | undefined;
  let session: BackendSession;
  try {
    device = options.device();
    session = new BackendSession(socket, { ...options, device });
  } catch (error) {
    device?.capabilities?.lifecycle?.close?.();
    socket.close();
    throw error;
  }
  options.onSession?.(session);
  void session.closed.then(({ error }) => options.onSessionEnd?.(session, error));
  return session;
}
