import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../../core/base/index.ts";
import { createPipe, EventFd, OwnedFd, SharedMemory, UnixSocket } from "../../core/os/index.ts";
import type { TraceDescriptor } from "../trace/index.ts";

/** Memory that a capture may ask for, in bytes: pages exist only once they are written. */
const MAX_MEMORY = 2 ** 46;
const PAGE = 4096;

/** The objects behind the descriptors of a session that is played: one for each name of the capture. */
export class ReplayObjects {
  readonly #memory: ReadonlyMap<string, number>;
  readonly #made = new Map<string, OwnedFd>();
  readonly #pipes: OwnedFd[] = [];
  readonly #sockets = new Map<string, UnixSocket>();

  /** @param memory bytes of the memory objects, by name */
  constructor(memory: ReadonlyMap<string, number>) {
    this.#memory = memory;
  }

  /**
   * Returns a descriptor of the object that a capture names.
   *
   * @param bytes the least size of memory
   * @throws {UsageError} it is too large
   * @throws {SystemError} e.g. `EMFILE`
   */
  descriptor({ name, object }: TraceDescriptor, bytes: number): OwnedFd {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const size = Math.max(this.#memory.get(name) ?? 0, bytes, object.bytes ?? 0);
    const made = this.#make(name, object.kind, size);
    this.#made.set(name, made);
    return made;
  }

  /** Remembers an object that the peer sent; it stays the peer's message's. */
  received({ name }: TraceDescriptor, fd: OwnedFd): void {
    this.#made.get(name)?.close();
    this.#made.set(name, OwnedFd.duplicateOf(fd.fd));
  }

  /** The end of a socket pair that stayed here; undefined if none was made, or it was taken. */
  takeSocket(name: string): UnixSocket | undefined {
    const socket = this.#sockets.get(name);
    this.#sockets.delete(name);
    return socket;
  }

  /** Writes into memory that was made here. */
  write(name: string, offset: number, bytes: Uint8Array): void {
    const fd = this.#made.get(name);
    if (fd !== undefined && offset + bytes.length <= (this.#memory.get(name) ?? 0)) {
      writeSync(fd.fd, bytes, 0, bytes.length, offset);
    }
  }

  /** Closes everything. Idempotent. */
  close(): void {
    for (const fd of [...this.#made.values(), ...this.#pipes]) fd.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#made.clear();
    this.#sockets.clear();
  }

  #make(name: string, kind: string, bytes: number): OwnedFd {
    if (kind.startsWith("eventfd")) return EventFd.create().descriptor;
    if (kind.startsWith("socket")) {
      const [near, far] = UnixSocket.pair();
      this.#sockets.set(name, near);
      return far.detach();
    }
    if (kind.startsWith("pipe")) {
      const { read, write } = createPipe();
      this.#pipes.push(read);
      return write;
    }
    if (bytes > MAX_MEMORY) {
      throw new UsageError(
        `${name} of the capture has ${bytes} bytes; at most ${MAX_MEMORY} can be replayed`,
      );
    }
    if (bytes > 0) return SharedMemory.create("replay", Math.ceil(bytes / PAGE) * PAGE).fd;
    const fd = openSync("/dev/null", "r+");
    try {
      return OwnedFd.duplicateOf(fd);
    } finally {
      closeSync(fd);
    }
  }
}
