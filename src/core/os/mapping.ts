import { constants } from "node:buffer";
import { UsageError } from "../base/index.ts";
import { addon, type MappingHandle } from "./addon.ts";
import { check, systemError } from "./system-error.ts";

let breaks: Int32Array | undefined;

/**
 * Returns the number of windows of this process, in all threads, that have broken so far. It is a
 * plain load: as long as it does not change, no {@link Mapping.broken} has changed either.
 */
export function brokenMappings(): number {
  breaks ??= new Int32Array(addon().brokenMappings());
  // A thread sees at once the windows that broke at its own accesses, and those of other threads
  // with its next call.
  return breaks[0] ?? 0;
}

export interface MapOptions {
  /** Byte offset in the file; a multiple of the page size (of the huge page size on hugetlbfs). */
  readonly offset: number;
  /** Length in bytes, at least 1. */
  readonly length: number;
  /** Allows writing. Without it, a write by JavaScript ends the process with SIGSEGV. */
  readonly writable: boolean;
}

/**
 * A window of a shared file as an ArrayBuffer. A worker maps the file again: the buffer cannot be
 * transferred.
 *
 * The peer that shares the file can truncate it at any time. JavaScript then reads zeros, its
 * writes go nowhere, and {@link Mapping.broken} is true: look at it (or at {@link brokenMappings})
 * once a batch. A system call on such memory fails with `EFAULT`; call {@link Mapping.markBroken}
 * then. (A length beyond the end of the file from the start is only found at access, so compare
 * with `fstat` before.)
 */
export class Mapping {
  /** The mapped memory; detached, with length 0, after {@link unmap}. */
  readonly buffer: ArrayBuffer;
  /** All bytes of {@link buffer}. */
  readonly bytes: Uint8Array;
  /** The handle for the addon. */
  readonly handle: MappingHandle;
  #mapped = true;

  private constructor(handle: MappingHandle, buffer: ArrayBuffer) {
    this.handle = handle;
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
  }

  /**
   * @param fd stays the caller's, and may be closed at once
   * @throws UsageError for a window that no ArrayBuffer can be (4 GiB on Node 20)
   * @throws SystemError `ENOMEM` (no room, or more than 16384 windows), `EINVAL` (offset), `EACCES`
   */
  static map(fd: number, options: MapOptions): Mapping {
    const { offset, length, writable } = options;
    if (!Number.isSafeInteger(length) || length < 1 || length > constants.MAX_LENGTH) {
      throw new UsageError(
        `a window must have 1 to ${constants.MAX_LENGTH} bytes in this Node.js, not ${length}`,
      );
    }
    const result = addon().mmap(fd, length, offset, writable);
    if (typeof result === "number") throw systemError(result, "mmap");
    return new Mapping(result.handle, result.buffer);
  }

  /** The address in this process. */
  get address(): bigint {
    return BigInt(addon().mappingAddress(this.handle));
  }

  /** Returns whether the memory behind the window was removed. Once true, it stays true. */
  get broken(): boolean {
    return addon().mappingBroken(this.handle);
  }

  /** Marks the window broken, for a caller whose system call failed with `EFAULT`. */
  markBroken(): void {
    addon().markMappingBroken(this.handle);
  }

  /**
   * Replaces the mapped file by another one, for reading and writing: every view of the buffer sees
   * it from now on. It must be long enough, with pages of the same size.
   *
   * @param fd stays the caller's
   * @param offset bytes into the file, a multiple of the page size
   * @throws SystemError e.g. `EINVAL`, `ENOMEM`: the window may be gone then
   */
  remap(fd: number, offset: number): void {
    check(addon().remap(this.handle, fd, offset), "mmap");
  }

  /**
   * Unmaps the window. Idempotent. Every view of the buffer has length 0 afterwards. No
   * asynchronous system call may still be using it: the addresses can be mapped for something else
   * a moment later.
   */
  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    check(addon().unmap(this.handle, this.buffer), "munmap");
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}
