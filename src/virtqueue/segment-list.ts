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
    const at = this.count;
    if (at === this.addresses.length) {
      throw new RangeError(`expected at most ${at} segments in a chain, got one more`);
    }
    this.addresses[at] = address;
    this.lengths[at] = length;
    this.count = at + 1;
  }
}
