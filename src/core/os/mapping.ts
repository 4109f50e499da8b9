import { constants } from "node:buffer";
import { UsageError } from "../base/index.ts";
import { addon, type MappingHandle } from "./addon.ts";
import { check, systemError } from "./system-error.ts";

/** Chunks begin at multiples of it, so that typed arrays of any kind fit in. */
const PART_ALIGNMENT = 2 ** 30;

let breaks: Int32Array | undefined;

/**
 * Returns the number of mappings of this process, in all threads, that have broken so far. It is a
 * plain load: as long as it does not change, no {@link Mapping.broken} has changed either.
 */
export function brokenMappings(): number {
  breaks ??= new Int32Array(addon().brokenMappings());
  // A thread sees at once the mappings that broke at its own accesses, and those of other threads
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

/** The most bytes of one ArrayBuffer: 4 GiB on Node 20, without a practical limit since Node 22. */
const CHUNK = Math.floor(constants.MAX_LENGTH / PART_ALIGNMENT) * PART_ALIGNMENT;

/**
 * A part of a shared file as memory of this process. A worker maps the file again: the buffers
 * cannot be transferred.
 *
 * Mapping is cheap, whatever the length: ArrayBuffers are made when a part is asked for, as each of
 * them counts as memory of V8 and makes it collect all garbage.
 *
 * The peer that shares the file can truncate it at any time. JavaScript then reads zeros, its
 * writes go nowhere, and {@link Mapping.broken} is true: look at it (or at {@link brokenMappings})
 * once a batch. A system call on such memory fails with `EFAULT`; call {@link Mapping.markBroken}
 * then. (A length beyond the end of the file from the start is only found at access, so compare
 * with `fstat` before.)
 */
export class Mapping {
  /** Length in bytes. */
  readonly length: number;
  /** The handle for the addon. */
  readonly handle: MappingHandle;
  /** Buffers of {@link CHUNK} bytes, in order; undefined where none was needed. */
  readonly #chunks: (ArrayBuffer | undefined)[] = [];
  /** Buffers of ranges that are in two chunks. */
  readonly #across: ArrayBuffer[] = [];
  #bytes: Uint8Array | undefined;
  #mapped = true;

  private constructor(handle: MappingHandle, length: number) {
    this.handle = handle;
    this.length = length;
  }

  /**
   * @param fd stays the caller's, and may be closed at once
   * @throws UsageError for a length that is not a positive integer
   * @throws SystemError `ENOMEM` (no room, or more than 16384 mappings), `EINVAL` (offset), `EACCES`
   */
  static map(fd: number, options: MapOptions): Mapping {
    const { offset, length, writable } = options;
    if (!Number.isSafeInteger(length) || length < 1) {
      throw new UsageError(`a mapping must have at least 1 byte, not ${length}`);
    }
    const result = addon().mmap(fd, length, offset, writable);
    if (typeof result === "number") throw systemError(result, "mmap");
    return new Mapping(result, length);
  }

  /**
   * The mapped memory as one buffer; detached, with length 0, after {@link unmap}.
   *
   * @throws UsageError for a mapping that no ArrayBuffer can hold (4 GiB on Node 20); take slices
   */
  get buffer(): ArrayBuffer {
    if (this.length > CHUNK) {
      throw new UsageError(
        `an ArrayBuffer has at most ${CHUNK} bytes in this Node.js, and the mapping has ${this.length}; take slices`,
      );
    }
    return this.#chunk(0);
  }

  /** All bytes of {@link buffer}. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= this.#mapped ? new Uint8Array(this.buffer) : new Uint8Array(0));
  }

  /**
   * Returns a part of the mapping: a view whose `byteOffset` is mostly not 0. Keep it: a range
   * across a multiple of 4 GiB takes a buffer of its own on Node 20.
   *
   * @param offset bytes from the beginning of the mapping
   * @param length bytes
   * @throws RangeError outside of the mapping, or this process has no room for an ArrayBuffer
   */
  slice(offset: number, length: number): Uint8Array {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new RangeError(
        `bytes ${offset} to ${offset + length} are not in a mapping of ${this.length}`,
      );
    }
    const index = Math.floor(offset / CHUNK);
    const start = index * CHUNK;
    if (offset + length <= start + CHUNK) {
      return new Uint8Array(this.#chunk(index), offset - start, length);
    }
    const buffer = addon().mappingBuffer(this.handle, offset, length);
    this.#across.push(buffer);
    return new Uint8Array(buffer);
  }

  #chunk(index: number): ArrayBuffer {
    const known = this.#chunks[index];
    if (known !== undefined) return known;
    if (!this.#mapped) return new ArrayBuffer(0);
    const start = index * CHUNK;
    const length = Math.min(CHUNK, this.length - start);
    return (this.#chunks[index] = addon().mappingBuffer(this.handle, start, length));
  }

  /** The address in this process. */
  get address(): bigint {
    return BigInt(addon().mappingAddress(this.handle));
  }

  /** Returns whether memory behind the mapping was removed. Once true, it stays true. */
  get broken(): boolean {
    return addon().mappingBroken(this.handle);
  }

  /** Marks the mapping broken, for a caller whose system call failed with `EFAULT`. */
  markBroken(): void {
    addon().markMappingBroken(this.handle);
  }

  /**
   * Replaces the mapped file by another one, for reading and writing: every view sees it from now
   * on. It must be long enough, with pages of the same size.
   *
   * @param fd stays the caller's
   * @param offset bytes into the file, a multiple of the page size
   * @throws SystemError e.g. `EINVAL`, `ENOMEM`: the memory may be gone then
   */
  remap(fd: number, offset: number): void {
    check(addon().remap(this.handle, fd, offset), "mmap");
  }

  /**
   * Unmaps the memory. Idempotent. Every view of it has length 0 afterwards. No
   * asynchronous system call may still be using it: the addresses can be mapped for something else
   * a moment later.
   */
  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    const chunks = this.#chunks.filter((chunk) => chunk !== undefined);
    check(addon().unmap(this.handle, [...chunks, ...this.#across]), "munmap");
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}
