import { Socket } from "node:net";
import { finished } from "node:stream/promises";
import { UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check } from "./system-error.ts";

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
 * What comes out of a pipe, up to its end, on the event loop: a writer that stalls holds nothing
 * else up. A socket will do as well.
 *
 * @param fd taken over: closed at the end of the data or of the loop, when the signal aborts, and on
 * every error
 * @throws {UsageError} neither a pipe nor a socket
 * @throws Node's error of read(2); the signal's reason
 */
export function readPipe(fd: OwnedFd, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const socket = open(fd, { readable: true, writable: false }, signal);
  // What happens before anybody reads shows when somebody does.
  socket.on("error", () => undefined);
  return chunksOf(socket);
}

async function* chunksOf(socket: Socket): AsyncGenerator<Uint8Array> {
  for await (const chunk of socket) yield chunk as Uint8Array;
}

/**
 * Writes all of the chunks into a pipe and closes it.
 *
 * @param fd taken over, as by {@link readPipe}
 * @throws as {@link readPipe}, and what comes out of `chunks`
 */
export function writePipe(
  fd: OwnedFd,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  return pump(chunks, open(fd, { readable: false, writable: true }, signal), signal);
}

async function pump(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  socket: Socket,
  signal: AbortSignal | undefined,
): Promise<void> {
  const done = finished(socket, { readable: false });
  done.catch(() => undefined);
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (socket.destroyed) break;
      if (!socket.write(chunk)) await Promise.race([onceDrained(socket), done]);
    }
    socket.end();
    await done;
  } finally {
    socket.destroy();
  }
}

async function onceDrained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("drain", resolve));
}

function open(
  fd: OwnedFd,
  way: { readonly readable: boolean; readonly writable: boolean },
  signal: AbortSignal | undefined,
): Socket {
  let socket: Socket;
  try {
    socket = new Socket({ fd: fd.fd, ...way, ...(signal && { signal }) });
  } catch (cause) {
    fd.close();
    throw new UsageError("expected a pipe or a socket, got another kind of descriptor", { cause });
  }
  // The socket closes the number from now on.
  fd.release();
  return socket;
}
