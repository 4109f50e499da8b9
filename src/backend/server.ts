import type { WaitOptions } from "../base/index.ts";
import { Deferred, delay, onAbort, UsageError, VhostUserError } from "../base/index.ts";
import { isListeningSocket, type OwnedFd, UnixSocket } from "../os/index.ts";
import { connectSocket, SocketServer } from "../transport/index.ts";
import type { Device } from "./device.ts";
import { BackendSession, type SessionOptions } from "./session.ts";

export interface BackendOptions extends Omit<SessionOptions, "device"> {
  /** Makes the device of a new session. */
  readonly device: () => Device;
  readonly onSession?: ((session: BackendSession) => void) | undefined;
  readonly onSessionEnd?: ((session: BackendSession, reason: Error) => void) | undefined;
}

/** A back-end that listens on a path and serves any number of front-ends at once. */
export class BackendServer {
  readonly sessions = new Set<BackendSession>();
  readonly #options: BackendOptions;
  #server: SocketServer | undefined;

  private constructor(options: BackendOptions) {
    this.#options = options;
  }

  /** @throws {UsageError | EnvironmentError} see `SocketServer.listen` */
  static async listen(path: string, options: BackendOptions): Promise<BackendServer> {
    const backend = new BackendServer(options);
    backend.#server = await SocketServer.listen(path, (socket) => backend.#serve(socket));
    return backend;
  }

  /** Serves whoever connects to a listening socket from elsewhere, which it takes over. */
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

  #serve(socket: UnixSocket): void {
    let session: BackendSession;
    try {
      session = startSession(socket, this.#options);
    } catch (error) {
      // One connection that cannot be served is no reason to stop serving the others.
      this.#options.onProblem?.(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.sessions.add(session);
    void session.closed.then(() => this.sessions.delete(session));
  }
}

export interface BackendConnectOptions extends BackendOptions, WaitOptions {
  /** Connects again whenever the front-end goes away. Default false. */
  readonly reconnect?: boolean | undefined;
  /** Pause between attempts, milliseconds. Default 100. */
  readonly retryMs?: number | undefined;
}

/**
 * A back-end that connects to a front-end's listening socket. Resolves when the session is over;
 * with `reconnect` it goes on until the signal aborts.
 *
 * @throws {ConnectError | EnvironmentError | UsageError} the first connection failed
 */
export async function connectBackend(path: string, options: BackendConnectOptions): Promise<void> {
  const { reconnect = false, retryMs = 100, signal, timeoutMs } = options;
  for (let first = true; ; first = false) {
    let socket: UnixSocket;
    try {
      socket = await connectSocket(path, { signal, timeoutMs });
    } catch (error) {
      if (signal?.aborted) return;
      if (first || !VhostUserError.isVhostUserError(error)) throw error;
      await delay(retryMs, signal).catch(() => undefined);
      continue;
    }
    const session = startSession(socket, options);
    const ignoreSignal = onAbort(signal, () => session.close());
    if (signal?.aborted) session.close();
    await session.closed;
    ignoreSignal();
    if (!reconnect || signal?.aborted) return;
    await delay(retryMs, signal).catch(() => undefined);
    if (signal?.aborted) return;
  }
}

/**
 * Serves an inherited socket, which is taken over: a listening one until the signal aborts, a
 * connected one until its session ends.
 *
 * @throws {UsageError} it is no socket
 */
export async function serveInherited(
  fd: OwnedFd,
  options: BackendOptions & WaitOptions,
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
  await over.promise;
  ignoreSignal();
  serving.close();
}

function isListening(fd: OwnedFd): boolean {
  try {
    return isListeningSocket(fd.fd);
  } catch (cause) {
    throw new UsageError(`descriptor ${fd.fd}: expected a socket, listening or connected`, {
      cause,
    });
  }
}

function startSession(socket: UnixSocket, options: BackendOptions): BackendSession {
  let device: Device | undefined;
  let session: BackendSession;
  try {
    device = options.device();
    session = new BackendSession(socket, { ...options, device });
  } catch (error) {
    device?.close?.();
    socket.close();
    throw error;
  }
  options.onSession?.(session);
  void session.closed.then(({ error }) => options.onSessionEnd?.(session, error));
  return session;
}
