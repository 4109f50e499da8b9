import { counted } from "../base/index.ts";

/** Buffers of one chain as the driver names them: guest addresses and lengths. Reused. */
export class SegmentList {
  count = 0;
  /** Guest addresses (or IOVA). */
  readonly addresses: Float64Array;
  /** Bytes. */
  readonly lengths: Uint32Array;

  constructor(capacity: number) {
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
  }

  clear(): void {
    this.count = 0;
  }

  push(address: number, length: number): void {
    this.addresses[this.#take(length)] = address;
  }

  /** As {@link push}, `offset` bytes into a buffer. Allocates nothing, whoever calls it. */
  pushPart(buffer: { readonly address: number }, offset: number, length: number): void {
    this.addresses[this.#take(length)] = buffer.address + offset;
  }

  #take(length: number): number {
    const at = this.count;
    if (at === this.addresses.length) {
      throw new RangeError(`expected at most ${counted(at, "segment")} in a chain, got one more`);
    }
    this.lengths[at] = length;
    this.count = at + 1;
    return at;
  }
}
