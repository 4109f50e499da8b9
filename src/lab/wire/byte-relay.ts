import { type OwnedFd, Poller, UnixSocket } from "../../core/os/index.ts";

/** The bytes of one read, and the descriptors that arrived with them. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly fds: OwnedFd[];
}

/** Hooks for the bytes that a front-end sends. Without a hook they pass unchanged. */
export interface ByteHooks {
  /**
   * Returns the bytes to pass on; `undefined` ends the connection. Descriptors that the chunk keeps
   * are sent with its first byte, then closed.
   */
  readonly chunk?: (chunk: Chunk) => Chunk | undefined;
  /** The front-end half-closed the connection. Returns whether the back-end is to see that. */
  readonly end?: () => boolean;
}

const CHUNK_BYTES = 65_536;

/**
 * Passes bytes between a front-end and a back-end as they are read, without looking for messages.
 * Descriptors go with the first byte of a read, so the front-end should wait for answers.
 *
 * @param front socket to the front-end, taken over
 * @returns the socket for the back-end
 */
export function relayBytes(front: UnixSocket, { chunk, end }: ByteHooks): UnixSocket {
  const [near, back] = UnixSocket.pair();
  const buffer = new Uint8Array(CHUNK_BYTES);
  const close = (): void => {
    for (const poller of pollers) poller.close();
    for (const socket of [front, near]) socket.close();
  };
  const forwards = (): void => {
    const fds: OwnedFd[] = [];
    const count = receive(front, buffer, fds);
    if (count < 0) return;
    if (count === 0) {
      if (end?.() ?? true) return close();
      pollers[0]?.update({});
      return;
    }
    const chunked = { bytes: buffer.slice(0, count), fds };
    const passed = chunk ? chunk(chunked) : chunked;
    if (passed === undefined) close();
    else if (passed.bytes.length > 0) send(near, passed.bytes, passed.fds);
    for (const fd of fds) fd.close();
  };
  const backwards = (): void => {
    const fds: OwnedFd[] = [];
    const count = receive(near, buffer, fds);
    if (count < 0) return;
    if (count === 0) return close();
    send(front, buffer.slice(0, count), fds);
    for (const fd of fds) fd.close();
  };
  const pollers = [
    new Poller(front.fd, { readable: true }, forwards),
    new Poller(near.fd, { readable: true }, backwards),
  ];
  return back;
}

function receive(socket: UnixSocket, buffer: Uint8Array, fds: OwnedFd[]): number {
  try {
    return socket.closed ? -1 : socket.receive(buffer, 0, buffer.length, fds);
  } catch {
    return 0;
  }
}

/**
 * Sends bytes without waiting: they are few, so the kernel takes them at once, or the other side is
 * gone.
 */
function send(socket: UnixSocket, bytes: Uint8Array, fds: readonly OwnedFd[]): void {
  try {
    socket.send(bytes, 0, bytes.length, fds);
  } catch {
    // Its end is seen when it is read.
  }
}
