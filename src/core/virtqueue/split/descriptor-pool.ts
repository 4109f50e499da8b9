import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag, tableAddresses, updateDescriptor } from "../descriptor.ts";
import type { SegmentList } from "../segment-list.ts";

const { Write, Next, Indirect } = DescriptorFlag;

/**
 * The descriptor table of a driver half: it allocates descriptors and writes chains. The free list
 * is in private memory, so the device cannot change it.
 */
export class DescriptorPool {
  /** Memory of the indirect tables, one for each descriptor; undefined if they are not used. */
  readonly tables: GuestBuffer | undefined;
  free: number;
  readonly #size: number;
  readonly #words: Uint32Array;
  readonly #tableSegments: number;
  /** Guest address of each chain's table. */
  readonly #tableAddresses: Float64Array;
  /** True with VIRTIO_F_IN_ORDER: the list follows the table and never changes. */
  readonly #inOrder: boolean;
  /** Head of the free list, which continues in `#following`. */
  #firstFree = 0;
  readonly #following: Uint16Array;
  /** By head: number of the chain's descriptors in the ring. */
  readonly #chainLength: Uint16Array;

  /**
   * @param words words of the descriptor table
   * @param tableSegments descriptors of one indirect table; 0 if there are none
   */
  constructor(
    words: Uint32Array,
    size: number,
    tables: GuestBuffer | undefined,
    tableSegments: number,
    inOrder: boolean,
  ) {
    this.#words = words;
    this.#size = size;
    this.tables = tables;
    this.#tableSegments = tables === undefined ? 0 : tableSegments;
    this.#tableAddresses = tableAddresses(tables, size, tableSegments);
    this.#inOrder = inOrder;
    this.#following = new Uint16Array(size);
    this.#chainLength = new Uint16Array(size);
    this.free = size;
    this.clear();
  }

  /** Frees every descriptor, in the order of the table. */
  clear(): void {
    this.free = this.#size;
    this.#firstFree = 0;
    for (let i = 0; i < this.#size; i += 1) this.#following[i] = (i + 1) % this.#size;
  }

  /**
   * Writes the descriptors of a chain.
   *
   * @param readable number of segments that the device reads; it writes the rest
   * @returns the head; -1 if there is no room
   */
  add(segments: SegmentList, readable: number): number {
    const { count } = segments;
    const useTable = count > 1 && count <= this.#tableSegments;
    const needed = useTable ? 1 : count;
    if (needed > this.free || count === 0) return -1;
    const head = this.#firstFree;
    if (useTable) this.#writeTable(head, segments, readable);
    else this.#writeChain(segments, readable);
    this.free -= needed;
    this.#chainLength[head] = needed;
    return head;
  }

  /**
   * Lays a chain of one descriptor out. The caller has checked that one is free, and subtracts it from
   * {@link free}: once for a batch.
   *
   * @param index index of its segment
   * @param flags flags of the descriptor
   * @returns the head
   */
  addSingle({ addresses, lengths }: SegmentList, index: number, flags: number): number {
    const head = this.#firstFree;
    updateDescriptor(this.#words, head * 4, addresses, index, lengths[index] ?? 0, flags, 0);
    this.#firstFree = this.#following[head] ?? 0;
    this.#chainLength[head] = 1;
    return head;
  }

  /** Frees the descriptors of a chain. */
  release(head: number): void {
    const length = this.#chainLength[head] ?? 1;
    this.free += length;
    if (this.#inOrder) return;
    let last = head;
    for (let i = 1; i < length; i += 1) last = this.#following[last] ?? 0;
    this.#following[last] = this.#firstFree;
    this.#firstFree = head;
  }

  #writeChain({ count, addresses, lengths }: SegmentList, readable: number): void {
    let at = this.#firstFree;
    for (let i = 0; i < count; i += 1) {
      const following = this.#following[at] ?? 0;
      const isLast = i + 1 === count;
      const flags = (i < readable ? 0 : Write) | (isLast ? 0 : Next);
      const next = isLast ? 0 : following;
      updateDescriptor(this.#words, at * 4, addresses, i, lengths[i] ?? 0, flags, next);
      at = following;
    }
    this.#firstFree = at;
  }

  #writeTable(head: number, { count, addresses, lengths }: SegmentList, readable: number): void {
    const { tables } = this;
    if (tables === undefined) return;
    const { u32 } = tables.view.window;
    const first = (tables.view.offset + head * this.#tableSegments * 16) >>> 2;
    for (let i = 0; i < count; i += 1) {
      const isLast = i + 1 === count;
      const flags = (i < readable ? 0 : Write) | (isLast ? 0 : Next);
      updateDescriptor(
        u32,
        first + i * 4,
        addresses,
        i,
        lengths[i] ?? 0,
        flags,
        isLast ? 0 : i + 1,
      );
    }
    updateDescriptor(this.#words, head * 4, this.#tableAddresses, head, count * 16, Indirect, 0);
    this.#firstFree = this.#following[head] ?? 0;
  }
}
