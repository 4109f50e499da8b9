import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag, tableAddresses, updateDescriptor, writeBuffer } from "../descriptor.ts";
import { DriverHalf } from "../driver-half.ts";
import type { BatchSubmitter, ChainSubmitter } from "../driver-roles.ts";
import type { PackedRingWords } from "../ring-words.ts";
import type { SegmentList } from "../segment-list.ts";
import { BufferIds } from "./buffer-ids.ts";
import { FRESH_BASE, RingPosition } from "./layout.ts";

const { Available, Used, Write, Next, Indirect } = DescriptorFlag;

/** The properties of a {@link DescriptorRing}. */
export interface DescriptorRingOptions {
  /** Memory of the indirect tables, one for each buffer id; undefined if they are not used. */
  readonly tables: GuestBuffer | undefined;
  /** Descriptors of one indirect table. */
  readonly tableSegments: number;
  /** VIRTIO_F_IN_ORDER */
  readonly inOrder: boolean;
}

/**
 * The descriptor ring of a driver half: it allocates descriptors, writes chains and publishes them.
 *
 * Ordering. Of the chains that are published together, the flags of the first are stored last, by
 * `Atomics`; those behind are plain stores, which the device does not reach before.
 */
export abstract class DescriptorRing extends DriverHalf implements ChainSubmitter, BatchSubmitter {
  readonly size: number;
  readonly raw: PackedRingWords;
  protected readonly tables: GuestBuffer | undefined;
  protected freeDescriptors: number;
  /** The names of the chains. */
  protected readonly ids: BufferIds;
  /** The position of the oldest unpublished chain. */
  protected readonly unpublishedAt: RingPosition;
  readonly #next: RingPosition;
  readonly #tableSegments: number;
  /** Guest address of each buffer's table. */
  readonly #tableAddresses: Float64Array;
  /** By index: id and flags of an unpublished chain. Holding the oldest back hides all of them. */
  readonly #tails: Uint32Array;
  /** By buffer id: number of the chain's descriptors in the ring. */
  readonly #counts: Uint16Array;

  constructor(ring: PackedRingWords, { tables, tableSegments, inOrder }: DescriptorRingOptions) {
    const { size } = ring;
    super(size);
    this.size = size;
    this.raw = ring;
    this.tables = tables;
    this.#tableSegments = tables === undefined ? 0 : tableSegments;
    this.#tableAddresses = tableAddresses(tables, size, tableSegments);
    this.#next = new RingPosition(size, FRESH_BASE & 0xffff);
    this.unpublishedAt = new RingPosition(size, FRESH_BASE & 0xffff);
    this.#tails = new Uint32Array(size);
    this.#counts = new Uint16Array(size);
    this.ids = new BufferIds(size, inOrder);
    this.freeDescriptors = size;
  }

  /** Drops every chain; the next one begins at the start of the ring. Returns the tokens. */
  protected override removeAll(): Int32Array {
    this.ids.clear();
    this.freeDescriptors = this.size;
    this.#next.restart(FRESH_BASE & 0xffff);
    this.unpublishedAt.restart(FRESH_BASE & 0xffff);
    return super.removeAll();
  }

  add(segments: SegmentList, readable: number, token: number): boolean {
    const { count } = segments;
    const useTable = count > 1 && count <= this.#tableSegments;
    const needed = useTable ? 1 : count;
    if (needed > this.freeDescriptors || count === 0 || this.broken !== undefined) return false;
    const id = this.ids.take();
    let writable = 0;
    for (let i = readable; i < count; i += 1) writable += segments.lengths[i] ?? 0;
    if (useTable) this.#writeTable(id, segments, readable);
    else this.#writeChain(id, segments, readable);
    this.freeDescriptors -= needed;
    this.#counts[id] = needed;
    this.record(id, token, writable, 0);
    this.countAdded(1);
    return true;
  }

  addSingles(segments: SegmentList, readable: boolean, tokens: Int32Array): number {
    if (this.broken !== undefined) return 0;
    const { descriptors } = this.raw;
    const { addresses, lengths } = segments;
    const count = Math.min(segments.count, this.freeDescriptors);
    const next = this.#next;
    let { index } = next;
    let flags = (readable ? 0 : Write) | (next.wrap ? Available : Used);
    let isHeld = this.unpublished === 0;
    for (let i = 0; i < count; i += 1) {
      const id = this.ids.take();
      const length = lengths[i] ?? 0;
      writeBuffer(descriptors, index * 4, addresses, i, length);
      const tail = id | (flags << 16);
      this.#tails[index] = tail;
      if (!isHeld) descriptors[index * 4 + 3] = tail;
      isHeld = false;
      this.#counts[id] = 1;
      this.record(id, tokens[i] ?? 0, readable ? 0 : length, i);
      index += 1;
      if (index === this.size) {
        index = 0;
        flags ^= Available | Used;
      }
    }
    next.advance(count);
    this.freeDescriptors -= count;
    this.countAdded(count);
    return count;
  }

  /** Publishes the `count` oldest of the unpublished chains, at least one. */
  protected publishOldest(count: number): void {
    const { descriptors16 } = this.raw;
    const first = this.unpublishedAt.index;
    const tail = this.#tails[first] ?? 0;
    if (count === this.unpublished) this.unpublishedAt.copy(this.#next);
    else this.#holdBehind(count);
    this.publishedChains = (this.publishedChains + count) | 0;
    descriptors16[first * 8 + 6] = tail;
    Atomics.store(descriptors16, first * 8 + 7, tail >>> 16);
  }

  /** Frees the descriptors of a chain and its id. Returns how many descriptors. */
  protected free(id: number): number {
    const count = this.#counts[id] ?? 1;
    this.freeDescriptors += count;
    this.ids.release(id);
    return count;
  }

  #writeChain(id: number, segments: SegmentList, readable: number): void {
    const { count } = segments;
    const { descriptors } = this.raw;
    const next = this.#next;
    for (let i = 0; i < count; i += 1) {
      const at = next.index * 4;
      const flags = this.#flags(i, count, readable);
      writeBuffer(descriptors, at, segments.addresses, i, segments.lengths[i] ?? 0);
      if (i === 0) this.#putHead(next.index, id, flags);
      else descriptors[at + 3] = id | (flags << 16);
      next.advance(1);
    }
  }

  #writeTable(id: number, segments: SegmentList, readable: number): void {
    const { tables } = this;
    if (tables === undefined) return;
    const { count, addresses, lengths } = segments;
    const { u32 } = tables.view.window;
    const first = (tables.view.offset + id * this.#tableSegments * 16) >>> 2;
    for (let i = 0; i < count; i += 1) {
      const flags = i < readable ? 0 : Write;
      updateDescriptor(u32, first + i * 4, addresses, i, lengths[i] ?? 0, 0, flags);
    }
    const next = this.#next;
    const head = next.index;
    writeBuffer(this.raw.descriptors, head * 4, this.#tableAddresses, id, count * 16);
    this.#putHead(head, id, this.#wrapFlags() | Indirect);
    next.advance(1);
  }

  /** Stores id and flags of a new chain, before it counts as added. */
  #putHead(head: number, id: number, flags: number): void {
    const tail = id | (flags << 16);
    this.#tails[head] = tail;
    if (this.unpublished !== 0) this.raw.descriptors[head * 4 + 3] = tail;
  }

  /** Advances behind the `count` oldest unpublished chains, and holds the next one back. */
  #holdBehind(count: number): void {
    const { unpublishedAt, size } = this;
    let descriptors = 0;
    for (let i = 0; i < count; i += 1) {
      const at = unpublishedAt.index + descriptors;
      const tail = this.#tails[at < size ? at : at - size] ?? 0;
      descriptors += this.#counts[tail & 0xffff] ?? 1;
    }
    unpublishedAt.advance(descriptors);
    // These flags mean neither available nor used with this wrap counter, so the device does not go
    // beyond them.
    this.raw.descriptors16[unpublishedAt.index * 8 + 7] = unpublishedAt.wrap ? 0 : Available | Used;
  }

  #flags(i: number, count: number, readable: number): number {
    return this.#wrapFlags() | (i < readable ? 0 : Write) | (i + 1 < count ? Next : 0);
  }

  /** Returns the AVAIL and USED bits of an available descriptor at the next position. */
  #wrapFlags(): number {
    return this.#next.wrap ? Available : Used;
  }
}
