import { fstatSync } from "node:fs";
import { counted, MemoryAccessError, StateError } from "../base/index.ts";
import { EventFd, Mapping, OwnedFd } from "../os/index.ts";
import type { Log } from "../protocol/index.ts";

/** VHOST_LOG_PAGE: bytes of guest addresses for each bit of a log. */
export const LOG_PAGE_SIZE = 4096;

/** 1 GiB of log covers 32 TiB of guest addresses; no front-end needs more. */
const MAX_LOG_BYTES = 2 ** 30;

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * A log as another thread needs it to write to it: structured-clonable, with borrowed descriptors.
 */
export interface LogHandle {
  readonly fd: number;
  readonly description: Log;
  readonly eventFd: number | undefined;
  readonly all: boolean;
}

/**
 * The log of the pages of guest memory that the device wrote (specification: "Migration"): bit
 * `page % 8` of byte `page / 8`. The front-end reads and clears it meanwhile, so bits are only ever
 * set, atomically, and *after* the write that they record: a bit set first could be cleared, and
 * the page copied, before the write lands.
 *
 * A session has one object for its whole life; while there is no log, a mark costs one comparison.
 */
export class DirtyLog {
  /** VHOST_F_LOG_ALL was acknowledged. */
  all = false;
  #mapping: Mapping | undefined;
  #fd: OwnedFd | undefined;
  #borrowed = false;
  #closed = false;
  #description: Log | undefined;
  #event: EventFd | undefined;
  /** True once a signal has failed: later ones would fail as well. */
  #eventFailed = false;
  /** The bytes of the log from its first bit on. */
  #bytes = NO_BYTES;

  /** Returns whether there is a log. */
  get mapped(): boolean {
    return this.#bytes.length > 0;
  }

  /** Returns whether the device's writes to buffers must be marked. */
  get recording(): boolean {
    return this.all && this.#bytes.length > 0;
  }

  /**
   * Replaces the log (SET_LOG_BASE): later marks go to the new one.
   *
   * @param fd taken over: closed with the log, and also when this throws
   * @param borrowed the descriptor has another owner: it is never closed here
   * @throws {MemoryAccessError} the file does not hold a log of that size, or cannot be mapped; an
   *   earlier log stays
   * @throws {StateError} the session has ended
   */
  replace(description: Log, fd: OwnedFd, borrowed = false): void {
    let mapping: Mapping;
    let bytes: Uint8Array;
    try {
      if (this.#closed) throw new StateError("the session that this log belongs to has ended");
      const { size, head, start } = checkLog(description, fd.fd);
      mapping = mapLog(fd.fd, start, head + size);
      bytes = mapping.bytes.subarray(head);
    } catch (error) {
      if (!borrowed) fd.close();
      throw error;
    }
    this.#release();
    this.#mapping = mapping;
    this.#fd = fd;
    this.#borrowed = borrowed;
    this.#description = description;
    this.#bytes = bytes;
  }

  /** Sets the event that is signalled when a clear bit is set (SET_LOG_FD). The log owns it. */
  set event(event: EventFd | undefined) {
    this.#event?.close();
    this.#event = this.#closed ? undefined : event;
    this.#eventFailed = false;
    if (this.#closed) event?.close();
  }

  /** Maps the log of another thread in this one. Its descriptors stay with that log. */
  borrow({ fd, description, eventFd, all }: LogHandle): void {
    this.replace(description, new OwnedFd(fd), true);
    this.all = all;
    this.#event = eventFd === undefined ? undefined : EventFd.adopt(new OwnedFd(eventFd));
  }

  /** Returns a handle for another thread of this process; undefined if there is no log. */
  get handle(): LogHandle | undefined {
    if (this.#fd === undefined || this.#description === undefined) return undefined;
    return {
      fd: this.#fd.fd,
      description: this.#description,
      eventFd: this.#event?.descriptor.fd,
      all: this.all,
    };
  }

  /**
   * Marks the pages of `[address, address + length)`, which were written before. Pages beyond the
   * log are not marked: the front-end made the log too small.
   *
   * @param address guest physical
   */
  mark(address: number, length: number): void {
    const bytes = this.#bytes;
    if (!(length > 0) || bytes.length === 0) return;
    const last = Math.min(Math.floor((address + length - 1) / LOG_PAGE_SIZE), bytes.length * 8 - 1);
    let isNews = false;
    for (let page = Math.floor(address / LOG_PAGE_SIZE); page <= last;) {
      const bit = page % 8;
      const count = Math.min(8 - bit, last - page + 1);
      const mask = ((1 << count) - 1) << bit;
      if ((Atomics.or(bytes, (page - bit) / 8, mask) & mask) !== mask) isNews = true;
      page += count;
    }
    if (isNews && this.#event !== undefined) this.#notify();
  }

  /** Unmaps and closes. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#release();
    if (!this.#borrowed) this.#event?.close();
    this.#event = undefined;
  }

  #notify(): void {
    if (this.#eventFailed) return;
    try {
      this.#event?.signal();
    } catch {
      // The front-end gave a descriptor that cannot be signalled, so it misses the signals. The
      // descriptor stays open: ring workers borrow its number, which another file could get.
      this.#eventFailed = true;
    }
  }

  #release(): void {
    this.#bytes = NO_BYTES;
    this.#mapping?.unmap();
    if (!this.#borrowed) this.#fd?.close();
    this.#mapping = undefined;
    this.#fd = undefined;
    this.#description = undefined;
  }
}

function mapLog(fd: number, offset: number, length: number): Mapping {
  try {
    return Mapping.map(fd, { offset, length, writable: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MemoryAccessError(
      `dirty log: it cannot be mapped for reading and writing: ${reason}`,
      { cause },
    );
  }
}

/**
 * Checks the description of a log against its file. The log may begin anywhere in the file, also
 * within a page: `start` is the file offset of the mapping, `head` the offset of the log in it.
 */
function checkLog(
  { mmapSize, mmapOffset }: Log,
  fd: number,
): { size: number; start: number; head: number } {
  if (mmapSize === 0n || mmapSize > BigInt(MAX_LOG_BYTES)) {
    throw new MemoryAccessError(
      `dirty log: expected a size of 1 to ${MAX_LOG_BYTES} bytes, got ${mmapSize}`,
    );
  }
  const file = fstatSync(fd);
  if (!file.isFile()) {
    throw new MemoryAccessError(
      "dirty log: the descriptor is not a file that can be mapped (memfd, shared memory)",
    );
  }
  if (mmapOffset + mmapSize > BigInt(file.size)) {
    throw new MemoryAccessError(
      `dirty log: expected a file of at least ${counted(mmapOffset + mmapSize, "byte")} (mmap offset + size), ` +
        `got ${counted(file.size, "byte")}`,
    );
  }
  const alignment = Math.max(LOG_PAGE_SIZE, file.blksize);
  const offset = Number(mmapOffset);
  const head = offset % alignment;
  return { size: Number(mmapSize), start: offset - head, head };
}
