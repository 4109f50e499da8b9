import { type OwnedFd, Poller, UnixSocket } from "../../../src/core/os/index.ts";

/** Bytes as one receive has them, and the descriptors that came along. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly fds: OwnedFd[];
}

/** What is done with what the suite sends; `undefined`: the connection ends. */
export interface Bytewise {
  /** Descriptors that it leaves in the chunk are passed on or closed. */
  readonly chunk?: (chunk: Chunk) => Chunk | undefined;
  /** The suite ended its direction. True: the back-end is to know. */
  readonly end?: () => boolean;
}

const CHUNK_BYTES = 65_536;

/** Puts a {@link Bytewise} between the suite and a back-end; returns the back-end's socket. */
export function relayBytes(front: UnixSocket, { chunk, end }: Bytewise): UnixSocket {
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

/** These are small: the kernel takes them at once, or the other side is gone. */
function send(socket: UnixSocket, bytes: Uint8Array, fds: readonly OwnedFd[]): void {
  try {
    socket.send(bytes, 0, bytes.length, fds);
  } catch {
    // Its end is seen when it is read.
  }
}
