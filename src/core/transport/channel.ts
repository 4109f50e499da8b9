import type { OwnedFd } from "../os/index.ts";
import type { Direction, Header } from "../protocol/index.ts";

/** A message as on the wire: a relay could forward it unread. */
export interface Frame {
  readonly header: Header;
  readonly payload: Uint8Array;
  /**
   * Descriptors that came with the message. Receiving: the handler of the frame takes what it
   * wants out of the array; what is left there is closed after the handler. Sending: borrowed until
   * {@link Channel.send} returns, not until its promise settles.
   */
  readonly fds: OwnedFd[];
}

/** How a channel ended. */
export interface CloseReason {
  /** `local`: we closed it; `peer`: the peer did; `error`: something on it was not acceptable. */
  readonly by: "local" | "peer" | "error";
  /** What rejects the promises that still wait for something on this channel. */
  readonly error: Error;
}

/**
 * Called with each message in order. While a returned promise is pending no further message is
 * read: that is the back-pressure, and it bounds what a flooding peer can make us keep.
 */
export type FrameHandler = (frame: Frame) => void | Promise<void>;

/**
 * Observes messages in both directions, for `-v` and for recordings. Must not keep the frame.
 *
 * @param direction whose requests the channel carries: their numbers differ
 */
export type FrameObserver = (way: "sent" | "received", frame: Frame, direction: Direction) => void;

/** A two-way stream of messages with descriptors. */
export interface Channel {
  /** Resolves when the kernel has taken the message; messages leave in the order of the calls. */
  send(frame: Frame): Promise<void>;
  /** Like {@link send}, for senders that break the framing on purpose: bytes as they are. */
  sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void>;
  /** Starts reading. To be called once. */
  onFrame(handler: FrameHandler): void;
  /** Never rejects. */
  readonly closed: Promise<CloseReason>;
  /** Idempotent. The reason is what waiting callers get; without one: closed by us. */
  close(reason?: Error): void;
}
