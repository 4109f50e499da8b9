import type { Mapping } from "../os/index.ts";

/**
 * Regions are mapped as windows of at most this many bytes. Node 20 limits an ArrayBuffer to 4 GiB;
 * 1 GiB keeps every offset within a window a small integer, which the engine stores unboxed.
 */
export const WINDOW_SIZE = 2 ** 30;

/** A piece of shared memory as typed arrays. Always begins and ends on a page boundary. */
export class Window {
  readonly mapping: Mapping;
  readonly bytes: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;

  constructor(mapping: Mapping) {
    this.mapping = mapping;
    this.bytes = mapping.bytes;
    this.u16 = new Uint16Array(mapping.buffer);
    this.u32 = new Uint32Array(mapping.buffer);
  }
}

/** `length` bytes of a window, from `offset` on: memory that is contiguous in this process. */
export interface MemoryView {
  readonly window: Window;
  readonly offset: number;
  readonly length: number;
}
