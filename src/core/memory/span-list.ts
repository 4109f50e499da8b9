import { type Window, WINDOW_SIZE } from "./window.ts";

/**
 * More spans than this in one descriptor chain are refused: it bounds what a peer can make us keep.
 * Twice the longest chain, as buffers mostly do not cross the borders of regions and windows.
 */
export const MAX_SPANS = 65_536;

/**
 * Spans of shared memory in order: the buffers of one descriptor chain, as this process sees them.
 * Made once and reused, so that walking a chain allocates nothing.
 *
 * @example
 * ```ts
 * import { createChainCursor } from "vhost-user/virtqueue";
 *
 * const { spans } = createChainCursor();
 * for (let i = 0; i < spans.count; i += 1) console.log(spans.offsets[i], spans.lengths[i]);
 * ```
 */
export class SpanList {
  count = 0;
  /**
   * The window of each span; undefined for bytes outside of shared memory, which cannot be
   * accessed.
   */
  readonly windows: (Window | undefined)[] = [];
  /** Byte offset of each span in its window. */
  offsets: Int32Array;
  /** Bytes of each span, always more than zero. */
  lengths: Int32Array;

  constructor(capacity = 64) {
    this.offsets = new Int32Array(capacity);
    this.lengths = new Int32Array(capacity);
  }

  clear(): void {
    this.count = 0;
  }

  /** Adds bytes outside of shared memory. Returns false if the list is full. */
  pushUnreachable(length: number): boolean {
    for (let left = length; left > 0; left -= WINDOW_SIZE)
      if (!this.push(undefined, 0, Math.min(left, WINDOW_SIZE))) return false;
    return true;
  }

  /** Adds a span. Returns false if the list is full. */
  push(window: Window | undefined, offset: number, length: number): boolean {
    const at = this.count;
    if (at === this.offsets.length && !this.#grow()) return false;
    this.windows[at] = window;
    this.offsets[at] = offset;
    this.lengths[at] = length;
    this.count = at + 1;
    return true;
  }

  #grow(): boolean {
    const capacity = this.offsets.length * 2;
    if (capacity > MAX_SPANS) return false;
    const offsets = new Int32Array(capacity);
    const lengths = new Int32Array(capacity);
    offsets.set(this.offsets);
    lengths.set(this.lengths);
    this.offsets = offsets;
    this.lengths = lengths;
    return true;
  }
}
