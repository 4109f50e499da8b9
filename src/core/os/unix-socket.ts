import { delay, ProtocolError, StateError, TimeoutError, UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno, systemError } from "./system-error.ts";

/** The longest path that fits `sockaddr_un` with its NUL. */
export const MAX_SOCKET_PATH_BYTES = 107;

/** The most descriptors that the kernel transfers with one message (`SCM_MAX_FD`). */
export const MAX_MESSAGE_DESCRIPTORS = 253;

export interface ConnectOptions {
  /** Milliseconds to wait for a listener whose backlog is full. Default 5000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

// One buffer per thread is enough: it is not in use while other code runs.
const sending = new Int32Array(MAX_MESSAGE_DESCRIPTORS);
const receiving = new Int32Array(1 + MAX_MESSAGE_DESCRIPTORS);

/** @throws UsageError for a path that no UNIX socket can have */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new UsageError(
      `a socket path may have ${MAX_SOCKET_PATH_BYTES} bytes, this one has ${bytes}: ${path}; ` +
        `choose a shorter one, or change to its folder and name it from there`,
    );
  }
  if (bytes === 0 || path.includes("\0")) {
    throw new UsageError("a socket path must not be empty or contain a NUL character");
  }
}

/** A connected, non-blocking UNIX stream socket that transfers descriptors. */
export class UnixSocket {
  readonly #owned: OwnedFd;

  private constructor(owned: OwnedFd) {
    this.#owned = owned;
  }

  /**
   * Connects to a listening path. While the listener's backlog is full, tries again with pauses of
   * 1 to 50 ms.
   *
   * @throws UsageError for an impossible path, before anything else
   * @throws TimeoutError when the backlog stays full
   * @throws SystemError `ENOENT`, `ECONNREFUSED` (no program listens), `EACCES`; `signal.reason`
   */
  static async connect(path: string, options: ConnectOptions = {}): Promise<UnixSocket> {
    checkSocketPath(path);
    const { timeoutMs = 5000, signal } = options;
    const deadline = performance.now() + timeoutMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
      signal?.throwIfAborted();
      const result = addon().unixConnect(path);
      if (result !== -Errno.EAGAIN) {
        return new UnixSocket(new OwnedFd(check(result, "connect", path)));
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) {
        throw new TimeoutError(
          `${path}: the listener's backlog stayed full for ${timeoutMs} ms: it accepts no connection`,
        );
      }
      await delay(Math.min(pauseMs, leftMs), signal);
    }
  }

  /**
   * Creates two sockets that are connected to each other.
   *
   * @throws SystemError e.g. `EMFILE`
   */
  static pair(): [UnixSocket, UnixSocket] {
    const out = new Int32Array(2);
    check(addon().socketpair(out), "socketpair");
    const [first = -1, second = -1] = out;
    return [new UnixSocket(new OwnedFd(first)), new UnixSocket(new OwnedFd(second))];
  }

  /**
   * Takes over a connected stream socket that other code made. Each call requests non-blocking
   * operation itself, so the socket's mode does not matter.
   */
  static adopt(fd: OwnedFd): UnixSocket {
    return new UnixSocket(fd);
  }

  /**
   * Receives once, into `target[offset, offset + length)`, and appends the descriptors that came
   * along; they are then the caller's. Returns the number of bytes, 0 at the end of the stream, -1
   * when there is nothing yet.
   *
   * @throws ProtocolError when the kernel cut the descriptors short; all of them are closed
   * @throws SystemError e.g. `ECONNRESET`
   */
  receive(target: Uint8Array, offset: number, length: number, descriptors: OwnedFd[]): number {
    if (length === 0)
      throw new UsageError("the length to receive must be at least 1: 0 bytes would look like EOF");
    const received = addon().receiveMessage(this.fd, target, offset, length, receiving);
    if (received === -Errno.EAGAIN) return -1;
    if (received === -Errno.EBADMSG || received === -Errno.EMSGSIZE) {
      throw new ProtocolError(
        "descriptors that came with a message were lost, " +
          "most likely because this process has no free ones left; raise the limit (ulimit -n)",
        { field: "descriptors" },
      );
    }
    check(received, "recvmsg");
    const count = receiving[0] ?? 0;
    for (let i = 1; i <= count; i++) descriptors.push(new OwnedFd(receiving[i] ?? -1));
    return received;
  }

  /**
   * Sends once, from `bytes[offset, offset + length)`. Returns the number of bytes taken, or -1
   * when none could be: the socket is full (wait until it is writable), or too many descriptors of
   * this user are in flight (`ETOOMANYREFS`; the socket may be writable then, so retry with a
   * pause). The descriptors remain the caller's; they go with the first byte, so once anything was
   * sent the rest must be sent without them.
   *
   * @throws UsageError for more than 253 descriptors, or descriptors without a byte
   * @throws SystemError e.g. `EPIPE`, `ECONNRESET`
   */
  send(
    bytes: Uint8Array,
    offset: number,
    length: number,
    descriptors: readonly OwnedFd[] = [],
  ): number {
    const count = descriptors.length;
    if (count > MAX_MESSAGE_DESCRIPTORS) {
      throw new UsageError(
        `one message carries at most ${MAX_MESSAGE_DESCRIPTORS} descriptors, not ${count}`,
      );
    }
    if (count > 0 && length === 0) {
      throw new UsageError("the message must have at least one byte to carry descriptors");
    }
    for (let i = 0; i < count; i++) sending[i] = descriptors[i]?.fd ?? -1;
    const sent = addon().sendMessage(this.fd, bytes, offset, length, sending, count);
    if (sent === -Errno.EAGAIN || sent === -Errno.ETOOMANYREFS) return -1;
    return check(sent, "sendmsg");
  }

  /**
   * Shuts down one direction or both; the peer sees EOF.
   *
   * @throws SystemError
   */
  shutdown(direction: "receive" | "send" | "both" = "both"): void {
    const how = { receive: 0, send: 1, both: 2 }[direction];
    check(addon().shutdown(this.fd, how), "shutdown");
  }

  /**
   * The credentials of the process that was at the other end when the connection was made.
   *
   * @throws SystemError, StateError
   */
  get peer(): PeerCredentials {
    const out = new Int32Array(3);
    const result = addon().peerCredentials(this.fd, out);
    if (result < 0) throw systemError(result, "getsockopt");
    const [pid = 0, uid = 0, gid = 0] = out;
    return { pid, uid: uid >>> 0, gid: gid >>> 0 };
  }

  /** @throws StateError once closed */
  get fd(): number {
    if (this.#owned.closed) throw new StateError("this socket was closed");
    return this.#owned.fd;
  }

  get closed(): boolean {
    return this.#owned.closed;
  }

  /**
   * Passes the descriptor to the caller, for example to send it to a peer; this object counts as
   * closed then.
   */
  detach(): OwnedFd {
    return new OwnedFd(this.#owned.release());
  }

  /** Closes the socket. Close the {@link Poller} on it first. Idempotent. */
  close(): void {
    this.#owned.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
