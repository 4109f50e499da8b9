import type { OwnedFd } from "../os/index.ts";
import type { Direction, Header } from "../protocol/index.ts";

/** A message as it is on the wire: a relay can forward it without decoding it. */
export interface Frame {
  readonly header: Header;
  readonly payload: Uint8Array;
  /**
   * The descriptors of the message. When receiving, the handler removes those that it keeps; the
   * rest is closed after the handler. When sending, they are borrowed until {@link Channel.send}
   * returns, not until its promise settles.
   */
  readonly fds: OwnedFd[];
}

/** The reason why a channel ended. */
export interface CloseReason {
  /** `local`: this side closed it; `peer`: the peer did; `error`: the peer broke the protocol. */
  readonly by: "local" | "peer" | "error";
  /** The error that rejects the promises which still wait on this channel. */
  readonly error: Error;
}

/**
 * Called with each message in order. While a returned promise is pending, no further message is
 * read: this back-pressure bounds the memory that a flooding peer can occupy.
 */
export type FrameHandler = (frame: Frame) => void | Promise<void>;

/**
 * Observes messages in both directions, for `-v` and for recordings. It must not keep the frame.
 *
 * @param direction the side whose requests the channel carries, as the numbers differ
 */
export type FrameObserver = (way: "sent" | "received", frame: Frame, direction: Direction) => void;

/** A two-way stream of messages with descriptors. */
export interface Channel {
  /** Resolves when the kernel has taken the message; messages leave in the order of the calls. */
  send(frame: Frame): Promise<void>;
  /** Sends raw bytes, for senders that break the framing on purpose. */
  sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void>;
  /** Starts reading. Call it once. */
  onFrame(handler: FrameHandler): void;
  /** Resolves when the channel has ended. It never rejects. */
  readonly closed: Promise<CloseReason>;
  /**
   * Closes the channel. Idempotent. Waiting callers get the reason; without one, an error that says
   * that this side closed it.
   */
  close(reason?: Error): void;
}
