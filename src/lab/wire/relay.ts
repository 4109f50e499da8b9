import { asError, counted } from "../../core/base/index.ts";
import type { PeerCredentials, UnixSocket } from "../../core/os/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import { connectSocket, SocketServer } from "../../core/transport/index.ts";
import { RelayedSession, type RelayHooks } from "./relayed-session.ts";

/** The way to reach one side of a relay. */
export type RelayPlace =
  /** The side connects to this path, on which the relay listens. */
  | { readonly listen: string }
  /** The side listens on this path, to which the relay connects. */
  | { readonly connect: string };

/** The peers at the two ends of a session. */
export interface RelayPeers {
  /** The process that connected, or that listened when the relay connected. */
  readonly frontend: PeerCredentials;
  readonly backend: PeerCredentials;
}

export interface RelayOptions {
  readonly frontend: RelayPlace;
  readonly backend: RelayPlace;
  /**
   * Makes a session's hooks.
   *
   * @param session counts sessions from 0
   */
  readonly hooks?: ((session: number, peers: RelayPeers) => RelayHooks) | undefined;
  /** Most sessions at the same time; further connections are closed. Default 512. */
  readonly maxSessions?: number | undefined;
  /** A connection was accepted, and the other side could not be reached, or there are too many. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

/** Connections of one side that wait for the other one; further ones are closed. */
const MAX_WAITING = 64;
/** Default of sessions that are open at the same time: each has descriptors of both sides. */
const MAX_SESSIONS = 512;

/**
 * Passes messages between front-ends and back-ends, on the main socket and on the channel for requests of
 * the back-end. Each side connects or listens: a connection that is accepted makes one to the other
 * side, two listening places pair what they accept, and two connecting ones make one session.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { Relay } from "vhost-user/testing";
 *
 * const relay = await Relay.start({
 *   frontend: { listen: "relay.sock" },
 *   backend: { connect: "disk.sock" },
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
  readonly #servers: SocketServer[] = [];
  readonly #waiting: Record<Direction, UnixSocket[]> = { "front-end": [], "back-end": [] };
  #count = 0;
  #closed = false;

  private constructor(options: RelayOptions) {
    this.#options = options;
  }

  /**
   * Listens, or connects to both sides.
   *
   * @throws {UsageError | EnvironmentError | ConnectError | TimeoutError} a path cannot be used
   */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const { frontend, backend } = options;
    try {
      if ("connect" in frontend && "connect" in backend) {
        await relay.#connect(await connectSocket(frontend.connect), "front-end", backend.connect);
      } else {
        await relay.#listen("front-end", frontend, backend);
        await relay.#listen("back-end", backend, frontend);
      }
      return relay;
    } catch (error) {
      relay.close();
      throw error;
    }
  }

  /** Sessions that are open. */
  get sessions(): ReadonlySet<RelayedSession> {
    return this.#sessions;
  }

  /** Stops listening and ends every session. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const server of this.#servers.splice(0)) server.close();
    for (const waiting of Object.values(this.#waiting)) {
      for (const socket of waiting.splice(0)) socket.close();
    }
    for (const session of this.#sessions) session.close();
  }

  async #listen(side: Direction, place: RelayPlace, other: RelayPlace): Promise<void> {
    if ("connect" in place) return;
    const onSocket = (socket: UnixSocket): void => {
      if ("listen" in other) return this.#pair(socket, side);
      this.#connect(socket, side, other.connect).catch((error: unknown) => {
        this.#options.onProblem?.(asError(error));
      });
    };
    this.#servers.push(await SocketServer.listen(place.listen, onSocket));
  }

  /**
   * Makes the connection to the other side of an accepted one.
   *
   * @throws {UsageError | EnvironmentError | ConnectError | TimeoutError}
   */
  async #connect(socket: UnixSocket, side: Direction, path: string): Promise<void> {
    try {
      this.#open(socket, await connectSocket(path), side);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Joins a connection with the oldest one of the other side, or keeps it until there is one. */
  #pair(socket: UnixSocket, side: Direction): void {
    const other = this.#waiting[side === "front-end" ? "back-end" : "front-end"].shift();
    if (other !== undefined) return this.#open(socket, other, side);
    const waiting = this.#waiting[side];
    if (waiting.length < MAX_WAITING) waiting.push(socket);
    else socket.close();
  }

  /** @param side whose socket the first one is */
  #open(socket: UnixSocket, other: UnixSocket, side: Direction): void {
    if (this.#closed) {
      for (const each of [socket, other]) each.close();
      return;
    }
    const most = this.#options.maxSessions ?? MAX_SESSIONS;
    if (this.#sessions.size >= most) {
      for (const each of [socket, other]) each.close();
      const text = `a connection was closed: the most that is allowed is ${counted(most, "session")}`;
      this.#options.onProblem?.(new Error(text));
      return;
    }
    const [front, back] = side === "front-end" ? [socket, other] : [other, socket];
    const number = this.#count++;
    let hooks: RelayHooks | undefined;
    try {
      const peers = { frontend: front.peer, backend: back.peer };
      hooks = this.#options.hooks?.(number, peers);
    } catch (error) {
      for (const each of [socket, other]) each.close();
      throw error;
    }
    const session = new RelayedSession(front, back, hooks, number);
    this.#sessions.add(session);
    void session.closed.then(() => this.#sessions.delete(session));
  }
}
