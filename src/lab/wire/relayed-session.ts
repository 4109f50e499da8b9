import { asError } from "../../core/base/index.ts";
import { type OwnedFd, UnixSocket } from "../../core/os/index.ts";
import { type Direction, FrontendRequest, HeaderFlag } from "../../core/protocol/index.ts";
import { type CloseReason, type Frame, UnixChannel } from "../../core/transport/index.ts";

/** Largest payload that is passed on, in bytes: more than any receiver accepts. */
const MAX_PAYLOAD = 1 << 20;

/** A message on its way through a relay. */
export interface RelayedMessage {
  /** The side that sent it. */
  readonly from: Direction;
  /** The side whose requests the connection carries: `front-end` is the main socket. */
  readonly channel: Direction;
  /** Descriptors that the frame keeps are closed once the message was handled. */
  readonly frame: Frame;
}

/** Sends a frame on in the direction of its message. */
export type Forward = (frame: Frame) => Promise<void>;

/** The end of one connection of a session. */
export interface RelayEnd extends CloseReason {
  /** The side whose connection ended first, or broke; undefined when this process ended both. */
  readonly side?: Direction | undefined;
  /** The side whose requests the connection carried: `front-end` is the main socket. */
  readonly channel: Direction;
}

/** The hooks of a relay for one session. Without a hook, messages pass unchanged. */
export interface RelayHooks {
  /**
   * Handles a message: forwards it, other messages, or none. The sender's next message is read when the
   * promise settles; a rejection ends the session.
   */
  message?(message: RelayedMessage, forward: Forward): void | Promise<void>;
  /**
   * Called when a back-end channel has ended and the session continues. Not called at the end of
   * the session.
   */
  channelEnded?(end: RelayEnd): void;
  /** The session has ended, by the side that closed it or by an error. */
  ended?(end: RelayEnd): void;
}

/**
 * A front-end and a back-end whose messages pass through this process.
 *
 * @example
 * ```ts
 * import type { Relay } from "vhost-user/testing";
 *
 * // Cuts the connections of a relay in the middle of whatever they do.
 * function cut({ sessions }: Relay): void {
 *   for (const session of sessions) session.close();
 * }
 * ```
 */
export class RelayedSession {
  /** Sessions of a relay are counted from 0. */
  readonly number: number;
  /** Resolves with the end of the side of the main socket that ended first. */
  readonly closed: Promise<RelayEnd>;
  readonly #hooks: RelayHooks;
  readonly #channels = new Set<UnixChannel>();
  #ended = false;

  /** @param frontend, backend sockets to the two sides, taken over */
  constructor(frontend: UnixSocket, backend: UnixSocket, hooks: RelayHooks = {}, number = 0) {
    this.#hooks = hooks;
    this.number = number;
    this.closed = this.#join(frontend, backend, "front-end");
    void this.closed.then((end) => {
      this.#ended = true;
      this.close();
      hooks.ended?.(end);
    });
  }

  /** Ends the session on both sides. Idempotent. */
  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  /** Relays between two sockets; when one ends, so does the other. */
  async #join(frontend: UnixSocket, backend: UnixSocket, channel: Direction): Promise<RelayEnd> {
    let pair: ChannelPair;
    try {
      pair = openBoth(frontend, backend, channel);
    } catch (error) {
      return { by: "error", error: asError(error), channel };
    }
    const { front, back } = pair;
    for (const each of [front, back]) this.#channels.add(each);
    front.onFrame(async (frame) => this.#pass({ from: "front-end", channel, frame }, back));
    back.onFrame(async (frame) => this.#pass({ from: "back-end", channel, frame }, front));
    const end = await Promise.race([
      front.closed.then((reason) => ({ ...reason, side: "front-end" as const })),
      back.closed.then((reason) => ({ ...reason, side: "back-end" as const })),
    ]);
    for (const each of [front, back]) {
      each.close();
      this.#channels.delete(each);
    }
    return { ...end, side: end.by === "local" ? undefined : end.side, channel };
  }

  async #pass(message: RelayedMessage, to: UnixChannel): Promise<void> {
    if (isBackendChannel(message)) this.#interpose(message.frame.fds);
    const forward = async (frame: Frame): Promise<void> => to.send(frame);
    await (this.#hooks.message?.(message, forward) ?? forward(message.frame));
  }

  /** Puts a socket pair between the front-end's end of the back-end channel and the back-end. */
  #interpose(fds: OwnedFd[]): void {
    const [theirs] = fds;
    if (theirs === undefined) return;
    const [near, far] = UnixSocket.pair();
    fds[0] = far.detach();
    void this.#join(UnixSocket.adopt(theirs), near, "back-end").then((end) => {
      if (!this.#ended) this.#hooks.channelEnded?.(end);
    });
  }
}

interface ChannelPair {
  readonly front: UnixChannel;
  readonly back: UnixChannel;
}

/** Takes both sockets over, or closes both: a peer may hand over a descriptor that is not a socket. */
function openBoth(frontend: UnixSocket, backend: UnixSocket, direction: Direction): ChannelPair {
  const opened: UnixChannel[] = [];
  const open = (socket: UnixSocket, onHalfClose: () => void): UnixChannel => {
    const channel = new UnixChannel(socket, { direction, maxPayload: MAX_PAYLOAD, onHalfClose });
    opened.push(channel);
    return channel;
  };
  try {
    const front = open(frontend, () => back.endSending());
    const back = open(backend, () => front.endSending());
    return { front, back };
  } catch (error) {
    for (const channel of opened) channel.close();
    for (const socket of [frontend, backend]) socket.close();
    throw error;
  }
}

function isBackendChannel({ from, channel, frame: { header } }: RelayedMessage): boolean {
  const isRequest = from === "front-end" && (header.flags & HeaderFlag.Reply) === 0;
  return isRequest && channel === "front-end" && header.request === FrontendRequest.SetBackendReqFd;
}
