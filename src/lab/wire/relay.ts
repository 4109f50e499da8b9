import type { UnixSocket } from "../../core/os/index.ts";
import { connectSocket, SocketServer } from "../../core/transport/index.ts";
import { RelayedSession, type RelayHooks } from "./relayed-session.ts";

export interface RelayOptions {
  /** Path of the socket to listen on. */
  readonly listen: string;
  /** Path of the socket to connect to, once for each accepted connection. */
  readonly connect: string;
  /** The front-end is the side that listens at `connect`. Default false: it connects to `listen`. */
  readonly frontendListens?: boolean;
  /** Makes a session's hooks. @param session counts accepted connections from 0 */
  readonly hooks?: (session: number) => RelayHooks;
  /** A connection was accepted, and the other side could not be reached. */
  readonly onProblem?: (problem: Error) => void;
}

/**
 * Passes messages between front-ends and a back-end, on the main socket and on the channel for requests of
 * the back-end.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { Relay } from "vhost-user/testing";
 *
 * const relay = await Relay.start({
 *   listen: "relay.sock",
 *   connect: "disk.sock",
 *   hooks: () => ({
 *     message: async ({ from, frame }, forward) => {
 *       console.log(from, frame.header.request);
 *       await forward(frame);
 *     },
 *   }),
 * });
 * const client = await Client.connect("relay.sock");
 * await client.close();
 * relay.close();
 * ```
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #sessions = new Set<RelayedSession>();
  #server: SocketServer | undefined;
  #count = 0;

  private constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Listens. @throws as `SocketServer.listen` */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    relay.#server = await SocketServer.listen(options.listen, (socket) => {
      relay.#accept(socket).catch((error: Error) => {
        socket.close();
        options.onProblem?.(error);
      });
    });
    return relay;
  }

  /** Sessions that are open. */
  get sessions(): ReadonlySet<RelayedSession> {
    return this.#sessions;
  }

  /** Stops listening and ends every session. Idempotent. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const session of this.#sessions) session.close();
  }

  async #accept(accepted: UnixSocket): Promise<void> {
    const { connect, frontendListens = false, hooks } = this.#options;
    const number = this.#count++;
    const other = await connectSocket(connect);
    if (this.#server === undefined) {
      other.close();
      accepted.close();
      return;
    }
    const [front, back] = frontendListens ? [other, accepted] : [accepted, other];
    const session = new RelayedSession(front, back, hooks?.(number));
    this.#sessions.add(session);
    void session.closed.then(() => this.#sessions.delete(session));
  }
}
