import { MAX_FRAME_BYTES } from "../layout.ts";

/** Views of frames up to this length are kept, as most frames are no longer. */
const KEPT_VIEWS = 2048;

/**
 * Private memory in which a frame is assembled from its buffers. The callback borrows a view of it;
 * views are cached by their length, so that a frame costs a copy and no garbage.
 */
export class FrameAssembly {
  /** Number of bytes so far. */
  length = 0;
  readonly #bytes: Uint8Array;
  readonly #views: (Uint8Array | undefined)[] = [];
  #lastLong: Uint8Array = new Uint8Array();

  /** @param partBytes bytes of the largest part */
  constructor(partBytes: number) {
    // Parts are copied as a whole, which is quicker than a view of what counts: room behind.
    this.#bytes = new Uint8Array(MAX_FRAME_BYTES + partBytes);
    this.#views.length = KEPT_VIEWS + 1;
  }

  clear(): void {
    this.length = 0;
  }

  /**
   * Takes the first `length` bytes of a part; all of them together are at most a longest frame.
   *
   * @param part may be longer than what counts
   */
  append(part: Uint8Array, length: number): void {
    this.#bytes.set(part, this.length);
    this.length += length;
  }

  /** The frame, valid until the next {@link append}; undefined if there is none. */
  frame(): Uint8Array | undefined {
    const { length } = this;
    if (length === 0) return undefined;
    if (length <= KEPT_VIEWS) {
      return (this.#views[length] ??= this.#bytes.subarray(0, length));
    }
    if (this.#lastLong.length !== length) this.#lastLong = this.#bytes.subarray(0, length);
    return this.#lastLong;
  }
}
