import { setImmediate } from "node:timers/promises";
import type { OwnedFd } from "../../../core/os/index.ts";
import { type GuestMemory, type MemoryView, Region } from "../../../core/memory/index.ts";
import { LOG_PAGE_SIZE } from "./page-log.ts";

/** Number of bytes to copy or compare in one turn of the event loop. */
const CHUNK = 1 << 20;

/** A second memory at the same addresses as a client's, to which its contents go. */
export class MemoryCopy {
  readonly regions: readonly Region[];
  readonly #memory: GuestMemory;

  /** @throws {SystemError | EnvironmentError} there is not as much memory once more */
  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.regions = memory.twins();
  }

  /** First guest address behind all regions. */
  get end(): number {
    return Math.max(...this.regions.map(({ end }) => end));
  }

  get pages(): number {
    return this.regions.reduce((sum, { start, end }) => sum + (end - start) / LOG_PAGE_SIZE, 0);
  }

  /** Copies all memory, in parts, so that the event loop is not blocked. */
  async copyAll(signal: AbortSignal | undefined): Promise<void> {
    for (const [from, to] of this.#chunks()) {
      bytesOf(to).set(bytesOf(from));
      await setImmediate();
      signal?.throwIfAborted();
    }
  }

  /** Copies pages by their number; those outside of the memory are left out. */
  copyPages(pages: Iterable<number>): number {
    let count = 0;
    for (const page of pages) {
      const address = page * LOG_PAGE_SIZE;
      const index = this.regions.findIndex(({ start, end }) => start <= address && address < end);
      const [from, to] = [this.#memory.regions[index], this.regions[index]];
      if (from === undefined || to === undefined) continue;
      const offset = address - from.start;
      const length = Math.min(LOG_PAGE_SIZE, from.end - address);
      bytesOf(to.view(offset, length)).set(bytesOf(from.view(offset, length)));
      count += 1;
    }
    return count;
  }

  /** Numbers of the pages in which memory and copy differ. */
  differing(): number[] {
    const pages: number[] = [];
    for (const [from, to, address] of this.#chunks()) {
      const [a, b] = [asBuffer(bytesOf(from)), bytesOf(to)];
      if (a.equals(b)) continue;
      for (let at = 0; at < from.length; at += LOG_PAGE_SIZE) {
        const end = Math.min(at + LOG_PAGE_SIZE, from.length);
        if (!a.subarray(at, end).equals(b.subarray(at, end))) {
          pages.push((address + at) / LOG_PAGE_SIZE);
        }
      }
    }
    return pages;
  }

  close(): void {
    for (const region of this.regions) region.close();
  }

  *#chunks(): Iterable<[from: MemoryView, to: MemoryView, address: number]> {
    for (const [i, to] of this.regions.entries()) {
      const from = this.#memory.regions[i];
      if (from === undefined) continue;
      const size = from.end - from.start;
      for (let at = 0; at < size; at += CHUNK) {
        const length = Math.min(CHUNK, size - at);
        yield [from.view(at, length), to.view(at, length), from.start + at];
      }
    }
  }
}

/** Moves a memory back to its earlier files, with its current contents. */
export function restoreMemory(memory: GuestMemory, files: readonly OwnedFd[]): void {
  for (const [i, region] of memory.regions.entries()) {
    const file = files[i];
    if (file === undefined) continue;
    const origin = new Region(region.description, file.duplicate());
    for (let at = 0; at < region.end - region.start; at += CHUNK) {
      const length = Math.min(CHUNK, region.end - region.start - at);
      bytesOf(origin.view(at, length)).set(bytesOf(region.view(at, length)));
    }
    origin.close();
    region.moveTo(file.duplicate());
  }
}

function bytesOf({ window, offset, length }: MemoryView): Uint8Array {
  return window.bytes.subarray(offset, offset + length);
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
