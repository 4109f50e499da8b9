import type { WaitOptions } from "../base/index.ts";
import { delay, VhostUserError } from "../base/index.ts";
import type { UnixSocket } from "../os/index.ts";
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
    const stop = (): void => session.close();
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    await session.closed;
    signal?.removeEventListener("abort", stop);
    if (!reconnect || signal?.aborted) return;
    await delay(retryMs, signal).catch(() => undefined);
    if (signal?.aborted) return;
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
