import { asError } from "../../core/base/index.ts";
import { type OwnedFd, UnixSocket } from "../../core/os/index.ts";
import { type Direction, FrontendRequest, HeaderFlag } from "../../core/protocol/index.ts";
import { type CloseReason, type Frame, UnixChannel } from "../../core/transport/index.ts";

/** A message on its way through a relay. */
export interface RelayedMessage {
  /** The side that sent it. */
  readonly from: Direction;
  /** Whose requests the connection carries: `front-end` is the main socket. */
  readonly channel: Direction;
  /** Descriptors that the frame keeps are closed once the message was handled. */
  readonly frame: Frame;
}

/** Sends a frame on in the direction of its message. */
export type Forward = (frame: Frame) => Promise<void>;

/** What a relay does with one session. Without a member messages pass unchanged. */
export interface RelayHooks {
  /**
   * Handles a message: forwards it, other messages, or none. The sender's next message is read when the
   * promise settles; a rejection ends the session.
   */
  message?(message: RelayedMessage, forward: Forward): void | Promise<void>;
  /** The session has ended, by the side that closed it or by an error. */
  ended?(reason: CloseReason): void;
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
  /** Of the main socket: how the side ended that ended first. */
  readonly closed: Promise<CloseReason>;
  readonly #hooks: RelayHooks;
  readonly #channels = new Set<UnixChannel>();

  /** @param frontend, backend sockets to the two sides, taken over */
  constructor(frontend: UnixSocket, backend: UnixSocket, hooks: RelayHooks = {}) {
    this.#hooks = hooks;
    this.closed = this.#join(frontend, backend, "front-end");
    void this.closed.then((reason) => {
      this.close();
      hooks.ended?.(reason);
    });
  }

  /** Ends the session on both sides. Idempotent. */
  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  /** Relays between two sockets; when one ends, so does the other. */
  async #join(frontend: UnixSocket, backend: UnixSocket, kind: Direction): Promise<CloseReason> {
    let channels: readonly [UnixChannel, UnixChannel];
    try {
      channels = openBoth(frontend, backend, kind);
    } catch (error) {
      return { by: "error", error: asError(error) };
    }
    const [front, back] = channels;
    for (const channel of channels) this.#channels.add(channel);
    front.onFrame(async (frame) => this.#pass({ from: "front-end", channel: kind, frame }, back));
    back.onFrame(async (frame) => this.#pass({ from: "back-end", channel: kind, frame }, front));
    const reason = await Promise.race([front.closed, back.closed]);
    for (const channel of channels) {
      channel.close();
      this.#channels.delete(channel);
    }
    return reason;
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
    void this.#join(UnixSocket.adopt(theirs), near, "back-end");
  }
}

/** Takes both sockets over, or closes both: a peer may hand over a descriptor that is not a socket. */
function openBoth(
  frontend: UnixSocket,
  backend: UnixSocket,
  direction: Direction,
): [UnixChannel, UnixChannel] {
  let front: UnixChannel | undefined;
  try {
    front = new UnixChannel(frontend, { direction });
    return [front, new UnixChannel(backend, { direction })];
  } catch (error) {
    front?.close();
    for (const socket of [frontend, backend]) socket.close();
    throw error;
  }
}

function isBackendChannel({ from, channel, frame: { header } }: RelayedMessage): boolean {
  const isRequest = from === "front-end" && (header.flags & HeaderFlag.Reply) === 0;
  return isRequest && channel === "front-end" && header.request === FrontendRequest.SetBackendReqFd;
}
