import { counted } from "../base/index.ts";

/**
 * The buffers of one chain as the driver describes them: guest addresses and lengths. The list is
 * reusable.
 *
 * @example
 * ```ts
 * import { GuestMemory } from "vhost-user";
 * import { SegmentList } from "vhost-user/virtqueue";
 *
 * const memory = new GuestMemory({ size: 1 << 20 });
 * const [header, data] = [memory.allocate(16), memory.allocate(4096)];
 * const segments = new SegmentList(2);
 * segments.push(header.address, 16);
 * segments.pushPart(data, 512, 1024);
 * console.log(segments.count);
 * memory.close();
 * ```
 */
export class SegmentList {
  count = 0;
  /** Guest addresses (or IOVA). */
  readonly addresses: Float64Array;
  /** Lengths in bytes. */
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

  /** Adds a part of a buffer, from `offset` on. It allocates nothing. */
  pushPart(buffer: { readonly address: number }, offset: number, length: number): void {
    this.addresses[this.#take(length)] = buffer.address + offset;
  }

  #take(length: number): number {
    const at = this.count;
    if (at === this.addresses.length) {
      throw new RangeError(`a chain has at most ${counted(at, "segment")}`);
    }
    this.lengths[at] = length;
    this.count = at + 1;
    return at;
  }
}
