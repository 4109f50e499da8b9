import { Mapping, SharedMemory } from "../../../core/os/index.ts";
import type { Log } from "../../../core/protocol/index.ts";

/** Bytes of guest addresses for each bit of the log (VHOST_LOG_PAGE). */
export const LOG_PAGE_SIZE = 4096;
const PAGES_PER_WORD = 32;

/**
 * The front-end's side of a dirty log: memory in which a back-end marks the pages that it writes,
 * and from which they are taken (specification: "Migration").
 */
export class PageLog {
  /** The payload of SET_LOG_BASE. */
  readonly description: Log;
  /** Goes with SET_LOG_BASE; stays this log's. */
  readonly fd: SharedMemory["fd"];
  readonly #mapping: Mapping;
  readonly #words: Int32Array;

  /**
   * @param end first guest address (bytes) that needs no bit
   * @throws {SystemError} no memory or descriptor is left
   */
  constructor(end: number) {
    const pages = Math.ceil(end / LOG_PAGE_SIZE);
    // The size is that of QEMU: whole 64-bit words, rounded up to a page of the file.
    const size = Math.ceil(pages / 64 / 512) * 4096;
    this.description = { mmapSize: BigInt(size), mmapOffset: 0n };
    this.fd = SharedMemory.create("vhost-user-log", size).fd;
    try {
      this.#mapping = Mapping.map(this.fd.fd, { offset: 0, length: size, writable: true });
    } catch (error) {
      this.fd.close();
      throw error;
    }
    this.#words = new Int32Array(this.#mapping.buffer);
  }

  /**
   * Takes the marked pages and clears the marks, each word atomically: a page that is marked
   * meanwhile is found the next time. A page must be copied *after* it was taken.
   *
   * @param page called with the number of each page, ascending
   */
  take(page: (number: number) => void): void {
    const words = this.#words;
    for (let i = 0; i < words.length; i += 1) {
      if (Atomics.load(words, i) === 0) continue;
      const word = Atomics.exchange(words, i, 0);
      for (let bit = 0; bit < PAGES_PER_WORD; bit += 1) {
        if ((word & (1 << bit)) !== 0) page(i * PAGES_PER_WORD + bit);
      }
    }
  }

  /** Unmaps and closes. Idempotent. */
  close(): void {
    this.#mapping.unmap();
    this.fd.close();
  }
}
