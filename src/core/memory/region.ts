import { fstatSync } from "node:fs";
import { asError, counted, MemoryAccessError } from "../base/index.ts";
import { Mapping, type OwnedFd } from "../os/index.ts";
import type { MemoryRegion } from "../protocol/index.ts";
import type { DirtyLog } from "./dirty-log.ts";
import type { SpanList } from "./span-list.ts";
import { type MemoryView, Window, WINDOW_SIZE } from "./window.ts";

const PAGE_SIZE = 4096;

/**
 * The most bytes that may be contiguous across a window border; the largest part of a ring is half
 * of it.
 */
const BORDER_REACH = 2 ** 20;

/**
 * A region as another thread needs it to map it: structured-clonable, with a borrowed descriptor.
 */
export interface MemoryHandle {
  /** The descriptor of the region, which must stay open as long as the handle is used. */
  readonly fd: number;
  readonly description: MemoryRegion;
}

/** Guest addresses and file offsets are used as numbers; user addresses stay 64 bits wide. */
const NUMBER_LIMIT = 2n ** 53n;

/**
 * A region of shared memory (SET_MEM_TABLE, ADD_MEM_REG): guest addresses, front-end user
 * addresses, and the file that backs both, mapped here as a whole. Windows are views of it, made
 * when an address in them is first used: a large region costs nothing until then. Owns the
 * descriptor, from which other threads map the same memory.
 */
export class Region {
  description: MemoryRegion;
  /** First guest address. */
  readonly start: number;
  /** First guest address behind the region. */
  readonly end: number;
  /** Guest address of the first mapped byte, which may be in front of the region. */
  readonly origin: number;
  #fd: OwnedFd;
  readonly #borrowed: boolean;
  #mapping: Mapping | undefined;
  readonly #windows: (Window | undefined)[] = [];
  /**
   * Views of the memory around the border behind a window, made when a contiguous range crosses it.
   * At most one for each border: a peer cannot make us create them without end.
   */
  readonly #borders = new Map<number, Window>();
  /** File offset of the first mapped byte. */
  readonly #fileStart: number;
  /** Mapped bytes in front of the region's first one. */
  readonly #head: number;
  /** Mapped bytes, the head included. */
  readonly #mapped: number;
  readonly #alignment: number;
  #log: DirtyLog | undefined;

  /**
   * @param fd taken over: closed with the region, and also when this throws
   * @param borrowed the descriptor has another owner: it is never closed here
   * @throws {MemoryAccessError} the numbers make no region, or the file does not cover it or cannot
   * be mapped for reading and writing
   */
  constructor(description: MemoryRegion, fd: OwnedFd, borrowed = false) {
    this.description = description;
    this.#fd = fd;
    this.#borrowed = borrowed;
    try {
      this.#alignment = checkRegion(description, fd.fd);
      this.start = Number(description.guestAddress);
      this.end = this.start + Number(description.size);
      const offset = Number(description.mmapOffset);
      this.#head = offset % this.#alignment;
      this.#fileStart = offset - this.#head;
      this.origin = this.start - this.#head;
      this.#mapped = this.#head + Number(description.size);
      this.#mapping = this.#map();
      this.#windows.length = Math.ceil(this.#mapped / WINDOW_SIZE);
      this.#windows.fill(undefined);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Appends the spans of a range inside the region. Returns false if they are too many, or this
   * process has no room for a window.
   *
   * @param index window that it begins in, counted from {@link origin}
   * @param offset bytes into that window
   */
  push(index: number, offset: number, length: number, out: SpanList): boolean {
    while (length > 0) {
      const take = Math.min(length, WINDOW_SIZE - offset);
      const window = this.#windows[index] ?? this.#tryOpen(index);
      if (window === undefined || !out.push(window, offset, take)) return false;
      index += 1;
      offset = 0;
      length -= take;
    }
    return true;
  }

  /** Returns the window with this index, counted as in {@link push}. */
  windowAt(index: number): Window | undefined {
    return this.#windows[index];
  }

  /**
   * Returns `length` contiguous bytes, `offset` bytes into the region; they must be inside it.
   *
   * @throws {MemoryAccessError} more than 1 MiB across a window border, or this process has no room
   *   for a window
   */
  view(offset: number, length: number): MemoryView {
    const at = this.#head + offset;
    const index = Math.floor(at / WINDOW_SIZE);
    const inWindow = at - index * WINDOW_SIZE;
    if (inWindow + length > WINDOW_SIZE) return this.#acrossBorder(index, at, length);
    const window = this.#windows[index] ?? this.#open(index);
    return { window, offset: inWindow, length };
  }

  /** The descriptor, to send or to map elsewhere. The region keeps it. */
  get fd(): OwnedFd {
    return this.#fd;
  }

  /** Returns a handle for another thread of this process. */
  get handle(): MemoryHandle {
    return { fd: this.#fd.fd, description: this.description };
  }

  /** The mapping of the whole region; undefined once closed. */
  get mapping(): Mapping | undefined {
    return this.#mapping;
  }

  /** The address of the region in this process; 0 once closed. */
  get hostAddress(): bigint {
    return this.#mapping === undefined ? 0n : this.#mapping.address + BigInt(this.#head);
  }

  /** Returns whether the peer truncated the file. */
  get broken(): boolean {
    return this.#mapping?.broken === true;
  }

  /**
   * Replaces the file behind the region: existing views see the new contents at the same addresses.
   *
   * @param fd a file of the same size and kind; taken over, it replaces the earlier one
   * @throws {SystemError} it cannot be mapped
   */
  moveTo(fd: OwnedFd): void {
    this.#mapping?.remap(fd.fd, this.#fileStart);
    this.#fd.close();
    this.#fd = fd;
  }

  /** Sets the dirty log that records what devices write here; undefined removes it. */
  logTo(log: DirtyLog): void {
    this.#log = log;
    for (const window of this.#windows) if (window !== undefined) window.log = log;
    for (const window of this.#borders.values()) window.log = log;
  }

  /** Unmaps and closes everything. Views of this region must no longer be used. */
  close(): void {
    this.#mapping?.unmap();
    this.#mapping = undefined;
    this.#windows.length = 0;
    this.#borders.clear();
    if (!this.#borrowed) this.#fd.close();
  }

  #acrossBorder(index: number, at: number, length: number): MemoryView {
    const reach = Math.max(BORDER_REACH, this.#alignment);
    if (length > reach) {
      throw new MemoryAccessError(
        `${nameOf(this.description)}: expected at most ${reach} contiguous bytes across a multiple of ` +
          `${WINDOW_SIZE} bytes of the region, got ${length}`,
      );
    }
    const border = (index + 1) * WINDOW_SIZE;
    const start = border - reach;
    let window = this.#borders.get(index);
    if (window === undefined) {
      window = this.#look(start, Math.min(border + reach, this.#mapped) - start);
      this.#borders.set(index, window);
    }
    return { window, offset: at - start, length };
  }

  /** Opens a window of which the caller needs a span: no room for it is a fault of the request. */
  #tryOpen(index: number): Window | undefined {
    if (!(index >= 0 && index < this.#windows.length)) return undefined;
    try {
      return this.#open(index);
    } catch {
      return undefined;
    }
  }

  #open(index: number): Window {
    const start = index * WINDOW_SIZE;
    const window = this.#look(start, Math.min(WINDOW_SIZE, this.#mapped - start));
    this.#windows[index] = window;
    return window;
  }

  #look(start: number, length: number): Window {
    const mapping = this.#mapping;
    if (mapping === undefined) throw new MemoryAccessError(`${nameOf(this.description)}: closed`);
    try {
      const bytes = mapping.slice(start, this.#aligned(length));
      const window = new Window(mapping, this.origin + start, start, bytes);
      if (this.#log !== undefined) window.log = this.#log;
      return window;
    } catch (cause) {
      throw new MemoryAccessError(
        `${nameOf(this.description)}: this process has no room for a view of its memory: ` +
          asError(cause).message,
        { cause },
      );
    }
  }

  #map(): Mapping {
    try {
      return Mapping.map(this.#fd.fd, {
        offset: this.#fileStart,
        length: this.#aligned(this.#mapped),
        writable: true,
      });
    } catch (cause) {
      throw new MemoryAccessError(
        `${nameOf(this.description)}: it cannot be mapped for reading and writing: ` +
          asError(cause).message,
        { cause },
      );
    }
  }

  #aligned(length: number): number {
    return Math.ceil(length / this.#alignment) * this.#alignment;
  }
}

function nameOf({ guestAddress }: MemoryRegion): string {
  return `region at guest address 0x${guestAddress.toString(16)}`;
}

/** Returns the alignment (bytes) that mappings of the file need. */
function checkRegion(region: MemoryRegion, fd: number): number {
  const { guestAddress, size, userAddress, mmapOffset } = region;
  const where = nameOf(region);
  if (size === 0n) throw new MemoryAccessError(`${where}: the size must be above 0`);
  if (guestAddress + size > NUMBER_LIMIT || mmapOffset + size > NUMBER_LIMIT) {
    throw new MemoryAccessError(
      `${where}: expected guest address + size and mmap offset + size up to 2^53, ` +
        `got size 0x${size.toString(16)}, mmap offset 0x${mmapOffset.toString(16)}`,
    );
  }
  if (userAddress + size > 2n ** 64n) {
    throw new MemoryAccessError(
      `${where}: user address 0x${userAddress.toString(16)} + size 0x${size.toString(16)} wraps around`,
    );
  }
  const file = fstatSync(fd);
  if (!file.isFile()) {
    throw new MemoryAccessError(
      `${where}: the descriptor is not a file that can be mapped (memfd, shared memory, hugetlbfs)`,
    );
  }
  if (BigInt(file.size) < mmapOffset + size) {
    throw new MemoryAccessError(
      `${where}: expected a file of at least ${counted(mmapOffset + size, "byte")} (mmap offset + size), ` +
        `got ${counted(file.size, "byte")}`,
    );
  }
  // hugetlbfs reports its page size here, and maps nothing that is not aligned to it.
  return Math.max(PAGE_SIZE, file.blksize);
}
