import { fstatSync } from "node:fs";
import { Deferred, UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { type PollEvents, Poller } from "./poller.ts";
import { check, Errno } from "./system-error.ts";

/** The default capacity of a pipe, and the most that one turn of the event loop moves. */
const TURN_BYTES = 65_536;

/** The two ends of a pipe. */
export interface Pipe {
  readonly read: OwnedFd;
  readonly write: OwnedFd;
}

/** @throws SystemError e.g. `EMFILE` */
export function createPipe(): Pipe {
  const fds = new Int32Array(2);
  check(addon().pipe(fds), "pipe2");
  return { read: new OwnedFd(fds[0] ?? -1), write: new OwnedFd(fds[1] ?? -1) };
}

/**
 * Reads a pipe or a socket to its end, on the event loop: a writer that stalls blocks nothing else.
 * The mode of the open file, which a peer may share, does not change.
 *
 * @param fd taken over: closed at the end of the data or of the loop, when the signal aborts, and
 *   on every error
 * @throws {UsageError} neither a pipe nor a socket
 * @throws {SystemError} of read(2); the signal's reason
 */
export function readPipe(fd: OwnedFd, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  return chunksOf(new StreamEnd(fd, signal));
}

async function* chunksOf(end: StreamEnd): AsyncGenerator<Uint8Array> {
  const bytes = new Uint8Array(TURN_BYTES);
  try {
    for (;;) {
      const count = end.read(bytes);
      if (count === 0) return;
      if (count !== undefined) yield bytes.slice(0, count);
      await end.ready({ readable: true });
    }
  } finally {
    end.close();
  }
}

/**
 * Writes all of the chunks into a pipe and closes it.
 *
 * @param fd taken over: closed at the end of the data or of the loop, when the signal aborts, and
 *   on every error
 * @throws {UsageError} neither a pipe nor a socket
 * @throws {SystemError} of write(2); the signal's reason; errors of `chunks`
 */
export function writePipe(
  fd: OwnedFd,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  return pump(chunks, new StreamEnd(fd, signal));
}

async function pump(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  end: StreamEnd,
): Promise<void> {
  let turn = 0;
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const count = end.write(chunk, at);
        at += count ?? 0;
        turn += count ?? 0;
        if (at === chunk.length && turn < TURN_BYTES) continue;
        await end.ready({ writable: true });
        turn = 0;
      }
    }
  } finally {
    end.close();
  }
}

/** One end of a pipe or of a connection that is read or written without blocking. */
class StreamEnd {
  readonly #fd: OwnedFd;
  readonly #signal: AbortSignal | undefined;
  readonly #poller: Poller;
  readonly #onAbort = (): void => {
    this.close();
    this.#waiting?.reject(this.#signal?.reason as Error);
  };
  #waiting: Deferred<void> | undefined;

  constructor(fd: OwnedFd, signal: AbortSignal | undefined) {
    this.#fd = fd;
    this.#signal = signal;
    try {
      const kind = fstatSync(fd.fd);
      if (!kind.isFIFO() && !kind.isSocket()) {
        throw new UsageError("the descriptor is not a pipe or a socket; pass one that is");
      }
      this.#poller = new Poller(fd.fd, {}, () => {
        this.#poller.update({});
        this.#waiting?.resolve();
      });
    } catch (error) {
      fd.close();
      throw error;
    }
    if (signal?.aborted) this.close();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Returns the number of bytes read: 0 at the end, undefined if there are none yet. */
  read(bytes: Uint8Array): number | undefined {
    this.#signal?.throwIfAborted();
    const count = addon().readAvailable(this.#fd.fd, bytes, 0, bytes.length);
    return count === -Errno.EAGAIN ? undefined : check(count, "read");
  }

  /** Returns the number of bytes written; undefined if there is no room yet. */
  write(bytes: Uint8Array, at: number): number | undefined {
    this.#signal?.throwIfAborted();
    const count = addon().writeAvailable(this.#fd.fd, bytes, at, bytes.length - at);
    return count === -Errno.EAGAIN ? undefined : check(count, "write");
  }

  /**
   * Waits for at least one turn of the event loop.
   *
   * @throws the signal's reason
   */
  async ready(events: PollEvents): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#waiting = new Deferred();
    this.#poller.update(events);
    await this.#waiting.promise;
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#poller.close();
    this.#fd.close();
  }
}
