import { Mapping, SharedMemory } from "../../../core/os/index.ts";
import type { Window } from "../../../core/memory/index.ts";
import type { IoRequest } from "./io-request.ts";

/** Segments of one system call; a request with more is carried out in steps. */
const SEGMENTS = 128;
const IOVEC_BYTES = 16;

/**
 * The addresses of guest memory, and the vectors of segments for a ring: one vector for each
 * submission entry. The kernel copies a vector when it takes the entry.
 */
export class UringMemory {
  readonly #mapping: Mapping;
  readonly #words: Uint32Array;
  readonly #address: number;
  readonly #bases = new WeakMap<Window, number>();
  /** The window whose base was asked for last. */
  #last: Window | undefined;
  #lastBase = 0.5;

  /** @throws {SystemError} e.g. `EMFILE`, `ENOMEM` */
  constructor(entries: number) {
    const memory = SharedMemory.create("vhost-user-iovec", entries * SEGMENTS * IOVEC_BYTES);
    try {
      const length = memory.size;
      this.#mapping = Mapping.map(memory.fd.fd, { offset: 0, length, writable: true });
    } finally {
      memory.close();
    }
    this.#words = new Uint32Array(this.#mapping.buffer);
    this.#address = Number(this.#mapping.address);
  }

  /** Returns the address of the first byte of a window. */
  base(window: Window): number {
    if (window === this.#last) return this.#lastBase;
    let base = this.#bases.get(window);
    if (base === undefined) {
      base = Number(window.mapping.address) + window.mappingOffset;
      this.#bases.set(window, base);
    }
    this.#last = window;
    this.#lastBase = base;
    return base;
  }

  /** Returns the address of the vector of a submission entry. */
  vector(entry: number): number {
    return this.#address + entry * SEGMENTS * IOVEC_BYTES;
  }

  /** Fills the vector of a submission entry with the next segments of a request; returns their number. */
  fill(entry: number, request: IoRequest): number {
    const { spans } = request;
    const words = this.#words;
    let at = entry * SEGMENTS * (IOVEC_BYTES / 4);
    let { skip } = request;
    let left = request.length;
    let count = 0;
    request.step = 0;
    for (let { span } = request; left > 0 && count < SEGMENTS && span < spans.count; span += 1) {
      const window = spans.windows[span];
      if (window === undefined) break;
      const size = Math.min((spans.lengths[span] ?? 0) - skip, left);
      const address = this.base(window) + (spans.offsets[span] ?? 0) + skip;
      words[at] = address;
      words[at + 1] = Math.floor(address / 2 ** 32);
      words[at + 2] = size;
      words[at + 3] = 0;
      at += 4;
      left -= size;
      skip = 0;
      count += 1;
    }
    return count;
  }

  close(): void {
    this.#mapping.unmap();
  }
}
