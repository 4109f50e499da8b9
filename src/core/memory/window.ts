import type { Mapping } from "../os/index.ts";
import { DirtyLog } from "./dirty-log.ts";

/**
 * Regions are looked at through windows of at most this many bytes: every offset within a window is
 * then a small integer, which V8 stores unboxed.
 */
export const WINDOW_SIZE = 2 ** 30;

/** The log of windows that belong to no table. It is never written. */
const NO_LOG = new DirtyLog();

/**
 * A part of shared memory as typed arrays, which are views of a larger buffer: their `byteOffset` is
 * mostly not 0. Always begins and ends on a page boundary.
 */
export class Window {
  /** The mapping that the window is a part of. */
  readonly mapping: Mapping;
  readonly bytes: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /**
   * Bytes of the mapping in front of the window. It is not `bytes.byteOffset`: a large mapping is
   * several buffers.
   */
  readonly mappingOffset: number;
  /** Guest physical address of the first byte. */
  readonly guestStart: number;
  /** Records writes. It is set once the memory belongs to a table. */
  log: DirtyLog = NO_LOG;

  /**
   * @param mappingOffset bytes of the mapping in front of it
   * @param bytes the part of the mapping; default all of it
   * @throws {RangeError} this process has no room for an ArrayBuffer
   */
  constructor(mapping: Mapping, guestStart = 0, mappingOffset = 0, bytes = mapping.bytes) {
    this.mapping = mapping;
    this.mappingOffset = mappingOffset;
    this.guestStart = guestStart;
    this.bytes = bytes;
    const { buffer, byteOffset, length } = bytes;
    this.u16 = new Uint16Array(buffer, byteOffset, length >>> 1);
    this.u32 = new Uint32Array(buffer, byteOffset, length >>> 2);
  }

  /**
   * Records bytes that a device has written here, if there is a dirty log. The device calls it
   * after the write.
   */
  wrote(offset: number, length: number): void {
    if (this.log.recording) this.log.mark(this.guestStart + offset, length);
  }
}

/** `length` bytes of a window, from `offset` on: memory that is contiguous in this process. */
export interface MemoryView {
  readonly window: Window;
  readonly offset: number;
  readonly length: number;
}
