import {
  asError,
  counted,
  Deferred,
  PeerClosedError,
  StateError,
  systemCode,
} from "../base/index.ts";
import { type OwnedFd, Poller, type UnixSocket } from "../os/index.ts";
import { type Direction, MAX_PAYLOAD_SIZE } from "../protocol/index.ts";
import type { Channel, CloseReason, Frame, FrameHandler, FrameObserver } from "./channel.ts";
import { frameBytes, Framer } from "./framer.ts";
import { SendQueue } from "./send-queue.ts";

/** Messages read in one turn of the event loop. */
const READ_BUDGET = 16;

export interface UnixChannelOptions {
  /** Largest accepted payload in bytes. Default 4096. */
  readonly maxPayload?: number | undefined;
  readonly observe?: FrameObserver | undefined;
  /** The side whose requests the channel carries, for the observer. Default `front-end`. */
  readonly direction?: Direction | undefined;
  /**
   * The peer ended its direction of the stream and still reads. Called instead of closing the channel,
   * which goes on sending until both directions have ended.
   */
  readonly onHalfClose?: (() => void) | undefined;
}

/**
 * Messages over a Unix stream socket, which it owns. One `sendmsg` a message.
 *
 * @example
 * ```ts
 * import { connectSocket, UnixChannel } from "vhost-user/testing";
 *
 * const channel = new UnixChannel(await connectSocket("disk.sock"));
 * channel.onFrame(({ header }) => console.log(header.request));
 * channel.close();
 * ```
 */
export class UnixChannel implements Channel {
  readonly #socket: UnixSocket;
  readonly #framer: Framer;
  readonly #queue: SendQueue;
  readonly #poller: Poller;
  readonly #observe: FrameObserver | undefined;
  readonly #direction: Direction;
  readonly #onHalfClose: (() => void) | undefined;
  readonly #closed = new Deferred<CloseReason>();
  #handler: FrameHandler | undefined;
  /** True while a handler runs: nothing is read. */
  #busy = false;
  /** True if bytes came meanwhile: the socket is not polled until the handler has finished. */
  #paused = false;
  /** Messages that may still be read in this turn. */
  #budget = 0;
  #wantsWritable = false;
  /** The directions of the stream that have ended. */
  readonly #half = { received: false, sent: false };

  constructor(socket: UnixSocket, options: UnixChannelOptions = {}) {
    const { maxPayload, observe, direction = "front-end", onHalfClose } = options;
    this.#onHalfClose = onHalfClose;
    this.#socket = socket;
    this.#observe = observe;
    this.#direction = direction;
    this.#framer = new Framer(maxPayload ?? MAX_PAYLOAD_SIZE);
    this.#queue = new SendQueue(
      socket,
      (wanted) => {
        this.#wantsWritable = wanted;
        this.#updatePoller();
      },
      (error) => this.#sendFailed(error),
    );
    this.#poller = new Poller(socket.fd, {}, (readable, writable) => {
      if (writable && !this.#closed.settled) this.#queue.flush();
      if (readable && !this.#closed.settled) this.#readable();
    });
  }

  get closed(): Promise<CloseReason> {
    return this.#closed.promise;
  }

  async send(frame: Frame): Promise<void> {
    this.#observe?.("sent", frame, this.#direction);
    return this.sendBytes(frameBytes(frame), frame.fds);
  }

  async sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    if (this.#closed.settled) throw (await this.#closed.promise).error;
    return this.#queue.push(bytes, fds);
  }

  onFrame(handler: FrameHandler): void {
    if (this.#handler !== undefined)
      throw new StateError("this channel already has a handler for its messages");
    this.#handler = handler;
    this.#updatePoller();
  }

  /** Ends this direction of the stream: the peer reads its end, and may go on sending. */
  endSending(): void {
    if (this.#closed.settled || this.#half.sent) return;
    this.#half.sent = true;
    if (this.#half.received) return this.#end({ by: "peer", error: endOfStream(0) });
    try {
      this.#socket.shutdown("send");
    } catch (error) {
      this.#sendFailed(asError(error));
    }
  }

  close(reason?: Error): void {
    if (reason === undefined) {
      this.#end({
        by: "local",
        error: new PeerClosedError("the connection was closed on this side"),
      });
    } else {
      this.#end({ by: "error", error: reason });
    }
  }

  #updatePoller(): void {
    if (this.#closed.settled) return;
    const readable = this.#handler !== undefined && !this.#paused && !this.#half.received;
    this.#poller.update({ readable, writable: this.#wantsWritable });
  }

  #readable(): void {
    this.#budget = READ_BUDGET;
    if (!this.#busy) return this.#read();
    this.#paused = true;
    this.#updatePoller();
  }

  #read(): void {
    while (this.#budget > 0 && !this.#busy && !this.#half.received && !this.#closed.settled) {
      this.#budget -= 1;
      let frame: Frame | "wait" | "end";
      try {
        frame = this.#framer.read((target, offset, length, fds) =>
          this.#socket.receive(target, offset, length, fds),
        );
      } catch (error) {
        this.#end(readError(error));
        return;
      }
      if (frame === "wait") return;
      if (frame === "end") return this.#streamEnded();
      this.#deliver(frame);
    }
  }

  #streamEnded(): void {
    const { pending } = this.#framer;
    const isHalf = pending === 0 && !this.#half.sent && this.#peerReads();
    if (this.#onHalfClose === undefined || !isHalf) {
      return this.#end({ by: "peer", error: endOfStream(pending) });
    }
    this.#half.received = true;
    this.#updatePoller();
    this.#onHalfClose();
  }

  /**
   * Returns whether the peer only half-closed the stream: even an empty send fails once the peer
   * has closed the socket.
   */
  #peerReads(): boolean {
    try {
      return this.#socket.send(new Uint8Array(0), 0, 0) === 0;
    } catch {
      return false;
    }
  }

  #sendFailed(error: Error): void {
    if (!(error instanceof PeerClosedError)) return this.#end({ by: "error", error });
    // A peer may answer and then close: its last answers can still be read.
    if (this.#handler !== undefined) this.#readable();
    this.#end({ by: "peer", error });
  }

  #deliver(frame: Frame): void {
    let result: void | Promise<void>;
    try {
      this.#observe?.("received", frame, this.#direction);
      result = this.#handler?.(frame);
    } catch (error) {
      closeAll(frame.fds);
      this.#end({ by: "error", error: asError(error) });
      return;
    }
    if (result === undefined) {
      closeAll(frame.fds);
      return;
    }
    this.#busy = true;
    result
      .catch((error: unknown) => this.#end({ by: "error", error: asError(error) }))
      .finally(() => {
        closeAll(frame.fds);
        this.#busy = false;
        this.#paused = false;
        this.#updatePoller();
        // The messages behind it are handled in the same turn.
        this.#read();
      });
  }

  #end(reason: CloseReason): void {
    if (this.#closed.settled) return;
    this.#closed.resolve(reason);
    this.#poller.close();
    this.#framer.close();
    this.#queue.close(reason.error);
    this.#socket.close();
  }
}

function closeAll(fds: OwnedFd[]): void {
  for (const fd of fds) fd.close();
  fds.length = 0;
}

function endOfStream(pending: number): Error {
  return new PeerClosedError(
    pending === 0
      ? "the peer closed the connection"
      : `the peer closed the connection in the middle of a message, after ${counted(pending, "byte")} of it`,
  );
}

function readError(error: unknown): CloseReason {
  const code = systemCode(error);
  if (code === "ECONNRESET") {
    const message = "the peer closed the connection with unread messages in it";
    return { by: "peer", error: new PeerClosedError(message, { cause: error }) };
  }
  return { by: "error", error: asError(error) };
}
