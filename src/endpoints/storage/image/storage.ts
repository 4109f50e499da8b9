import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { constants as osConstants } from "node:os";
import { counted, UsageError } from "../../../core/base/index.ts";
import { fallocate, SharedMemory } from "../../../core/os/index.ts";
import type { Window } from "../../../core/memory/index.ts";
import { errnoOf } from "../errno.ts";
import { BounceBuffers, DIRECT_ALIGNMENT } from "../engine/bounce-buffers.ts";

/** Sizes are multiples of it, bytes. */
const SECTOR_SIZE = 512;

/** Zeroes to write where the file system has no call for it. */
const ZEROES = new Uint8Array(1 << 20);

const { EINVAL, EROFS } = osConstants.errno;

/**
 * The storage of a block device. It is always a file, so that one system call moves data between it
 * and guest memory without a copy. Without an image it is a memfd.
 *
 * @example
 * ```ts
 * import { truncateSync, writeFileSync } from "node:fs";
 * import { BlockStorage } from "vhost-user/storage";
 *
 * writeFileSync("disk.img", "");
 * truncateSync("disk.img", 64 << 20);
 * const storage = BlockStorage.open("disk.img");
 * console.log(storage.size);
 * storage.close();
 * ```
 */
export class BlockStorage {
  readonly fd: number;
  readonly readOnly: boolean;
  /** Moves nothing: what is written is lost, and reads leave the memory of the guest as it is. */
  readonly isNull: boolean;
  /** Bypasses the page cache (O_DIRECT). */
  readonly direct: boolean;
  readonly #close: () => void;
  readonly #listeners = new Set<() => void>();
  #size: number;

  private constructor(
    fd: number,
    size: number,
    {
      readOnly = false,
      isNull = false,
      direct = false,
    }: { readOnly?: boolean; isNull?: boolean; direct?: boolean },
    close: () => void,
  ) {
    this.fd = fd;
    this.#size = size;
    this.readOnly = readOnly;
    this.isNull = isNull;
    this.direct = direct;
    this.#close = close;
  }

  /**
   * @param options `direct`: bypasses the page cache
   * @throws {UsageError} not a regular file, its size is not a positive multiple of 512, or its file
   *   system cannot bypass the page cache in units of 512 bytes
   * @throws Node's error of open(2), e.g. ENOENT or EACCES
   */
  static open(
    path: string,
    { readOnly = false, direct = false }: { readOnly?: boolean; direct?: boolean } = {},
  ): BlockStorage {
    const found = statSync(path, { throwIfNoEntry: false });
    // Opening a pipe waits for its other end, and some devices wait, too.
    if (found?.isFIFO() || found?.isCharacterDevice()) throw notAFile(path);
    const fd = openFile(path, readOnly ? constants.O_RDONLY : constants.O_RDWR, direct);
    const file = fstatSync(fd);
    const { size } = file;
    if (!file.isFile() || size === 0 || size % SECTOR_SIZE !== 0) {
      closeSync(fd);
      throw file.isFile() ? wrongSize(path, size) : notAFile(path);
    }
    if (direct && !takesDirect(fd)) {
      closeSync(fd);
      throw new UsageError(
        `${path}: its disk takes direct I/O in units above ${DIRECT_ALIGNMENT} bytes only; serve it through the page cache`,
      );
    }
    return new BlockStorage(fd, size, { readOnly, direct }, () => closeSync(fd));
  }

  /** @throws {UsageError} the size is not a positive multiple of 512 */
  static memory(
    size: number,
    options: { readonly readOnly?: boolean; readonly isNull?: boolean } = {},
  ): BlockStorage {
    if (!(size > 0) || size % SECTOR_SIZE !== 0) {
      throw new UsageError(
        `the size must be a positive multiple of ${SECTOR_SIZE} bytes, not ${size}`,
      );
    }
    const memory = SharedMemory.create("vhost-user-block", size);
    return new BlockStorage(memory.fd.fd, size, options, () => memory.close());
  }

  /** Uses a descriptor that the caller closes, e.g. in a worker. */
  static borrow(
    fd: number,
    size: number,
    options: { readonly readOnly: boolean; readonly isNull: boolean; readonly direct?: boolean },
  ): BlockStorage {
    return new BlockStorage(fd, size, options, () => undefined);
  }

  /** Size in bytes. */
  get size(): number {
    return this.#size;
  }

  /**
   * Reads the size of the file and reports a change to the listeners: drivers see the new size.
   * Returns false if it has not changed.
   *
   * @throws {UsageError} the new size is not a positive multiple of 512; the old one is kept
   */
  refresh(): boolean {
    const { size } = fstatSync(this.fd);
    if (size === this.#size) return false;
    if (size === 0 || size % SECTOR_SIZE !== 0) {
      throw new UsageError(
        `the image has ${size} bytes, which is not a positive multiple of ${SECTOR_SIZE}; ` +
          `it is served with ${counted(this.#size, "byte")} as before`,
      );
    }
    this.#size = size;
    for (const listener of this.#listeners) listener();
    return true;
  }

  /** Calls `listener` after every change of the size. Returns a function that ends this. */
  onResize(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Moves bytes from the file to guest memory. Returns false after an I/O error, or if the file has
   * become shorter.
   *
   * @throws Node's error with code EFAULT if the front-end has truncated the memory
   */
  read(position: number, window: Window, offset: number, length: number): boolean {
    if (this.isNull) return true;
    while (length > 0) {
      const count = readSync(this.fd, window.bytes, offset, length, position);
      if (count === 0) return false;
      position += count;
      offset += count;
      length -= count;
    }
    return true;
  }

  /**
   * Moves bytes from guest memory to the file.
   *
   * @returns false after an I/O error
   * @throws Node's error with code EFAULT if the front-end has truncated the memory
   */
  write(position: number, window: Window, offset: number, length: number): boolean {
    if (this.isNull) return true;
    while (length > 0) {
      const count = writeSync(this.fd, window.bytes, offset, length, position);
      if (count === 0) return false;
      position += count;
      offset += count;
      length -= count;
    }
    return true;
  }

  /**
   * Makes a range read as zeroes.
   *
   * @param mayFree true if the range may give its room back; otherwise it stays allocated, so that a
   *   later write cannot fail for lack of room
   */
  zero(position: number, length: number, mayFree: boolean): void {
    const mode = mayFree ? "punch-hole" : "zero-range";
    if (fallocate(this.fd, mode, position, length)) return;
    while (length > 0) {
      const count = writeSync(this.fd, ZEROES, 0, Math.min(length, ZEROES.length), position);
      position += count;
      length -= count;
    }
  }

  /** Gives a range's room back where the file system can: what it reads as afterwards is open. */
  discard(position: number, length: number): void {
    fallocate(this.fd, "punch-hole", position, length);
  }

  /** Waits until everything that was written is stable. Returns false after an I/O error. */
  flushSync(): boolean {
    try {
      fdatasyncSync(this.fd);
      return true;
    } catch (error) {
      return this.hasNothingToFlush(errnoOf(error));
    }
  }

  /** Like {@link flushSync}, without waiting: calls `done` with the result. */
  flush(done: (succeeded: boolean) => void): void {
    fdatasync(this.fd, (error) => done(error === null || this.hasNothingToFlush(errnoOf(error))));
  }

  close(): void {
    this.#close();
  }

  /**
   * Returns whether a flush that failed has nothing to do: a file system without fsync(2), e.g.
   * squashfs, fails although a read-only disk wrote nothing.
   *
   * @param errno of the failure, positive
   */
  hasNothingToFlush(errno: number): boolean {
    return this.readOnly && (errno === EINVAL || errno === EROFS);
  }
}

function notAFile(path: string): UsageError {
  return new UsageError(`${path} is not a regular file; name one`);
}

/** The remedy loses nothing: an image is only made longer. */
function wrongSize(path: string, size: number): UsageError {
  const longer = size === 0 ? "64M" : `%${SECTOR_SIZE}`;
  return new UsageError(
    `${path}: the size of an image must be a positive multiple of ${SECTOR_SIZE} bytes, not ${size}; ` +
      `make it longer with: truncate -s ${longer} ${path}`,
  );
}

function openFile(path: string, flags: number, direct: boolean): number {
  if (!direct) return openSync(path, flags);
  try {
    return openSync(path, flags | constants.O_DIRECT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    throw new UsageError(
      `${path}: its file system has no direct I/O (O_DIRECT); serve it through the page cache`,
      { cause: error },
    );
  }
}

/** Returns whether the disk of a file takes direct I/O of one sector. */
function takesDirect(fd: number): boolean {
  const buffers = new BounceBuffers(1);
  try {
    return readSync(fd, buffers.bytes(0, SECTOR_SIZE), { position: 0 }) === SECTOR_SIZE;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    return false;
  } finally {
    buffers.close();
  }
}
