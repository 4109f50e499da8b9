import { asError, Deferred, PeerClosedError, StateError, systemCode } from "../base/index.ts";
import type { OwnedFd, UnixSocket } from "../os/index.ts";

interface Outgoing {
  readonly bytes: Uint8Array;
  fds: readonly OwnedFd[];
  /** Our own duplicates of {@link fds}, once the message has to wait. */
  kept: readonly OwnedFd[];
  sent: number;
  /** Settles when a message that had to wait has been sent. */
  done?: Deferred<void>;
  failure?: Error;
}

/** The limit on waiting messages: a peer that leaves more unread counts as gone. */
const MAX_QUEUED = 1024;

/**
 * First pause in milliseconds after the kernel reported "writable" and then took nothing, because
 * too many descriptors are in flight.
 */
const FIRST_BACK_OFF_MS = 1;
const LAST_BACK_OFF_MS = 50;

/**
 * The messages that the kernel has not taken yet, in order. Descriptors leave with the first byte.
 */
export class SendQueue {
  readonly #socket: UnixSocket;
  readonly #waitWritable: (wanted: boolean) => void;
  readonly #fail: (error: Error) => void;
  #queue: Outgoing[] = [];
  #timer: NodeJS.Timeout | undefined;
  #backOffMs = FIRST_BACK_OFF_MS;

  /** @param waitWritable asks for {@link SendQueue.flush} to be called once the socket is writable */
  constructor(
    socket: UnixSocket,
    waitWritable: (wanted: boolean) => void,
    fail: (error: Error) => void,
  ) {
    this.#socket = socket;
    this.#waitWritable = waitWritable;
    this.#fail = fail;
  }

  /**
   * Sends a message, or keeps it if the kernel does not take it yet. The descriptors are borrowed
   * during the call only: a waiting message has duplicates of its own, so a caller that gives up
   * may close them.
   *
   * @throws {StateError} far too many messages wait already
   */
  async push(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    if (this.#queue.length >= MAX_QUEUED) {
      throw new StateError(
        `the peer reads no messages: ${MAX_QUEUED} of them already wait to be sent`,
      );
    }
    const outgoing: Outgoing = { bytes, fds, kept: [], sent: 0 };
    this.#queue.push(outgoing);
    const alone = this.#queue.length === 1;
    if (alone && this.#drain()) {
      if (outgoing.failure !== undefined) throw outgoing.failure;
      return;
    }
    outgoing.done = new Deferred<void>();
    if (outgoing.sent === 0) this.#keep(outgoing);
    if (alone) this.#waitWritable(true);
    await outgoing.done.promise;
  }

  /** Continues to send, once the socket is writable. */
  flush(): void {
    const before = this.#queue[0]?.sent;
    if (this.#drain()) {
      this.#backOffMs = FIRST_BACK_OFF_MS;
      this.#waitWritable(false);
    } else if (this.#queue[0]?.sent === before) {
      this.#waitWritable(false);
      this.#timer = setTimeout(() => this.#waitWritable(true), this.#backOffMs);
      this.#backOffMs = Math.min(this.#backOffMs * 2, LAST_BACK_OFF_MS);
    }
  }

  close(reason: Error): void {
    clearTimeout(this.#timer);
    const queue = this.#queue;
    this.#queue = [];
    for (const outgoing of queue) {
      release(outgoing);
      outgoing.failure = reason;
      outgoing.done?.reject(reason);
    }
  }

  #keep(outgoing: Outgoing): void {
    const kept: OwnedFd[] = [];
    outgoing.kept = kept;
    try {
      for (const fd of outgoing.fds) kept.push(fd.duplicate());
      outgoing.fds = kept;
    } catch (error) {
      release(outgoing);
      this.#queue.splice(this.#queue.indexOf(outgoing), 1);
      throw error;
    }
  }

  /** Sends waiting messages. Returns true if none is left. */
  #drain(): boolean {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const fds = first.sent === 0 ? first.fds : [];
      let count: number;
      try {
        count = this.#socket.send(first.bytes, first.sent, first.bytes.length - first.sent, fds);
      } catch (error) {
        this.#fail(sendError(error));
        return true;
      }
      if (count < 0) return false;
      first.sent += count;
      release(first);
      if (first.sent < first.bytes.length) return false;
      this.#queue.shift();
      first.done?.resolve();
    }
    return true;
  }
}

function release(outgoing: Outgoing): void {
  for (const fd of outgoing.kept) fd.close();
  outgoing.kept = [];
}

function sendError(error: unknown): Error {
  const code = systemCode(error);
  if (code === "EPIPE" || code === "ECONNRESET") {
    return new PeerClosedError("the peer closed the connection before it took a message", {
      cause: error,
    });
  }
  return asError(error);
}
