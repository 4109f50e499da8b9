import { fstatSync, readSync, writeSync } from "node:fs";
import { counted, MemoryAccessError, ProtocolError, StateError } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import {
  BackendRequest,
  type MMap,
  MMapFlag,
  type ShmemConfig,
} from "../../core/protocol/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";

/** Mappings that a back-end may have at a time. */
const MAX_MAPPINGS = 1024;

interface Mapped extends MMap {
  readonly fd: OwnedFd;
}

/**
 * A device's shared memory regions, into which the back-end maps files (SHMEM_MAP, SHMEM_UNMAP).
 * Give {@link handlers} to a client as `backendRequests`, then call {@link load}. What is mapped
 * can be read and written here by copies: a back-end that truncates its file does no harm.
 *
 * @see "VIRTIO Shared Memory Region configuration" in the vhost-user specification
 */
export class SharedMemoryRegions {
  #sizes: readonly bigint[] = [];
  readonly #mappings: Mapped[] = [];

  readonly handlers: BackendRequestHandlers = {
    [BackendRequest.ShmemMap]: (mapping, { fds }) => {
      this.#expectFree(mapping, fds[0]);
      const fd = fds.shift();
      if (fd) this.#mappings.push({ ...mapping, fd });
    },
    [BackendRequest.ShmemUnmap]: (mapping) => this.#unmap(mapping),
  };

  /**
   * Asks for the regions' sizes.
   *
   * @throws {NegotiationError | ProtocolError | PeerClosedError | TimeoutError}
   */
  async load(requests: { getShmemConfig(): Promise<ShmemConfig> }): Promise<void> {
    this.#sizes = (await requests.getShmemConfig()).sizes;
  }

  /** Returns the bytes of a region; 0n if there is none with this id. */
  size(id: number): bigint {
    return this.#sizes[id] ?? 0n;
  }

  /** The current mappings. */
  get mappings(): readonly MMap[] {
    return this.#mappings.map(({ fd: _fd, ...mapping }) => mapping);
  }

  /**
   * Copies `out.length` bytes from `offset` on.
   *
   * @throws {MemoryAccessError} they are not in one mapping, or its file has become shorter
   */
  read(id: number, offset: bigint, out: Uint8Array): void {
    const { fd, position } = this.#locate(id, offset, out.length);
    const count = readSync(fd.fd, out, 0, out.length, position);
    if (count < out.length) {
      throw new MemoryAccessError(
        `shared memory region ${id}: of ${counted(out.length, "byte")} at ${offset} the file has ${count}`,
      );
    }
  }

  /** @throws {MemoryAccessError} as {@link read}; or the mapping may only be read */
  write(id: number, offset: bigint, bytes: Uint8Array): void {
    const { fd, position, flags } = this.#locate(id, offset, bytes.length);
    if ((flags & MMapFlag.Writable) === 0n) {
      throw new MemoryAccessError(`shared memory region ${id}: what is at ${offset} is read-only`);
    }
    writeSync(fd.fd, bytes, 0, bytes.length, position);
  }

  /** Removes all mappings, after the device was reset or lost. Idempotent. */
  reset(): void {
    for (const { fd } of this.#mappings.splice(0)) fd.close();
  }

  #locate(id: number, offset: bigint, length: number): Mapped & { readonly position: number } {
    const end = offset + BigInt(length);
    const mapping = this.#mappings.find(
      ({ shmid, shmOffset, length: bytes }) =>
        shmid === id && offset >= shmOffset && end <= shmOffset + bytes,
    );
    if (mapping === undefined) {
      throw new MemoryAccessError(
        `shared memory region ${id}: ${counted(length, "byte")} at ${offset} are not inside one mapping`,
      );
    }
    const position = Number(mapping.fdOffset + (offset - mapping.shmOffset));
    return { ...mapping, position };
  }

  #expectFree({ shmid, shmOffset, fdOffset, length, flags }: MMap, fd: OwnedFd | undefined): void {
    const size = this.size(shmid);
    const end = shmOffset + length;
    if (length === 0n || end > size) {
      throw refused(
        "shmOffset",
        `1 byte or more inside ${counted(size, "byte")} of region ${shmid}`,
        end,
      );
    }
    if (flags > MMapFlag.Writable) throw refused("flags", "0 or 1 (writable)", flags);
    const taken = this.#mappings.find(
      (other) =>
        other.shmid === shmid &&
        shmOffset < other.shmOffset + other.length &&
        other.shmOffset < end,
    );
    if (taken)
      throw refused("shmOffset", `no overlap with what is at ${taken.shmOffset}`, shmOffset);
    if (this.#mappings.length >= MAX_MAPPINGS) {
      throw new StateError(`the limit of ${MAX_MAPPINGS} mappings is reached; unmap one first`);
    }
    const file = fd && fstatSync(fd.fd);
    if (!file?.isFile()) {
      throw new MemoryAccessError("SHMEM_MAP: the descriptor is not of a file that can be mapped");
    }
    if (fdOffset + length > BigInt(file.size)) {
      throw refused(
        "fdOffset",
        `an area inside the file's ${counted(file.size, "byte")}`,
        fdOffset,
      );
    }
  }

  #unmap({ shmid, shmOffset, length }: MMap): void {
    const at = this.#mappings.findIndex(
      (mapping) =>
        mapping.shmid === shmid && mapping.shmOffset === shmOffset && mapping.length === length,
    );
    const [mapping] = at < 0 ? [] : this.#mappings.splice(at, 1);
    if (mapping === undefined) {
      throw refused("shmOffset", "one earlier mapping as a whole", shmOffset, "SHMEM_UNMAP");
    }
    mapping.fd.close();
  }
}

function refused(field: string, expected: string, actual: bigint, which = "SHMEM_MAP") {
  const request = `VHOST_USER_BACKEND_${which}`;
  return new ProtocolError(`${request}: ${field}: expected ${expected}, got ${actual}`, {
    request,
    field,
    expected,
    actual: String(actual),
  });
}
