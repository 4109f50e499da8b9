import { UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag, tableAddresses, updateDescriptor, writeBuffer } from "../descriptor.ts";
import type { PackedRingWords } from "../ring-words.ts";
import type { SegmentList } from "../segment-list.ts";
import type { DriverQueue } from "../driver-roles.ts";
import type { DriverQueueOptions, QueueFault, RingParts } from "../types.ts";
import { BufferIds } from "./buffer-ids.ts";
import {
  EventFlag,
  FRESH_BASE,
  isPackedQueueSize,
  MAX_PACKED_SIZE,
  packedNeedsEvent,
  packedRing,
  packedRingLayout,
  RingPosition,
} from "./layout.ts";
import { RingLook } from "./ring-look.ts";

const { Available, Used, Write, Next, Indirect } = DescriptorFlag;
const FREE = -1;
const MAX_LENGTH = 0xffff_ffff;

/**
 * The driver half of a packed virtqueue, VIRTIO 2.8. It never reads back memory that the device
 * could have overwritten: chain lengths, tokens and free ids are in private memory.
 *
 * Ordering, as in the device half: of the chains that are published together, the flags of the
 * first are stored last, by `Atomics` (publish), those behind are plain stores; what is used is
 * found by `RingLook`. Flags, then the device's event area (publish), and our event area, then
 * flags (enableNotifications), are atomic store-then-load pairs.
 */
export class PackedDriverQueue implements DriverQueue {
  readonly size: number;
  readonly raw: PackedRingWords;
  readonly parts: RingParts;
  outstanding = 0;
  broken: QueueFault | undefined;
  overlongCompletions = 0;
  overlongLength = 0;
  readonly #eventIdx: boolean;
  readonly #tables: GuestBuffer | undefined;
  readonly #tableSegments: number;
  /** Guest address of each buffer's table. */
  readonly #tableAddresses: Float64Array;
  readonly #next: RingPosition;
  readonly #used: RingPosition;
  #freeDescriptors: number;
  /** Number of descriptors from #used on that are known to be used. */
  #ready = 0;
  readonly #look: RingLook;
  /** The position of the oldest chain that is not published. */
  readonly #unpublished: RingPosition;
  /** By index: id and flags of an unpublished chain. Holding the oldest back hides all of them. */
  readonly #tails: Uint32Array;
  /** Index of #unpublished at the last decision about a kick. */
  #decided = 0;
  /**
   * Numbers of added and of published chains: signed 32-bit, wrapping. A counter without wrap would
   * be allocated at each request from 2^31 on.
   */
  #added = 0;
  #published = 0;
  /** By buffer id: ring descriptors, writable bytes, token (or FREE), value of #added before it. */
  readonly #counts: Uint16Array;
  readonly #writable: Uint32Array;
  readonly #tokens: Int32Array;
  readonly #order: Int32Array;
  readonly #ids: BufferIds;
  readonly #inOrder: boolean;
  /** In order: number of buffers that a used descriptor still covers, length of the last. */
  #batchLeft = 0;
  #batchLength = 0;

  /**
   * @throws {UsageError} the size is not 1 to 32768
   * @throws {MemoryAccessError} the memory has no room left
   */
  constructor({ size, memory, features, indirectSegments = 8 }: DriverQueueOptions) {
    if (!isPackedQueueSize(size)) {
      throw new UsageError(`a packed queue has 1 to ${MAX_PACKED_SIZE} entries, not ${size}`);
    }
    this.size = size;
    this.#eventIdx = features.eventIdx;
    const { descriptors, driver, device } = packedRingLayout(size);
    this.parts = {
      descriptors: memory.allocate(descriptors.bytes, descriptors.alignment),
      driver: memory.allocate(driver.bytes, driver.alignment),
      device: memory.allocate(device.bytes, device.alignment),
    };
    this.raw = packedRing(size, {
      descriptors: this.parts.descriptors.view,
      driver: this.parts.driver.view,
      device: this.parts.device.view,
    });
    this.#look = new RingLook(this.raw);
    this.#tableSegments = features.indirect ? indirectSegments : 0;
    this.#tables = features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined;
    this.#tableAddresses = tableAddresses(this.#tables, size, indirectSegments);
    this.#next = new RingPosition(size, FRESH_BASE & 0xffff);
    this.#used = new RingPosition(size, FRESH_BASE >>> 16);
    this.#unpublished = new RingPosition(size, FRESH_BASE & 0xffff);
    this.#tails = new Uint32Array(size);
    this.#freeDescriptors = size;
    this.#counts = new Uint16Array(size);
    this.#writable = new Uint32Array(size);
    this.#tokens = new Int32Array(size).fill(FREE);
    this.#order = new Int32Array(size);
    this.#ids = new BufferIds(size, features.inOrder === true);
    this.#inOrder = features.inOrder === true;
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.#tokens.filter((token) => token !== FREE);
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#tokens.fill(FREE);
    this.#ids.clear();
    this.#freeDescriptors = this.size;
    this.#batchLeft = 0;
    this.#next.restart(FRESH_BASE & 0xffff);
    this.#used.restart(FRESH_BASE >>> 16);
    this.#unpublished.restart(FRESH_BASE & 0xffff);
    this.#ready = 0;
    this.#decided = 0;
    this.#added = this.#published = 0;
    this.outstanding = 0;
    this.broken = undefined;
    tokens.forEach(dropped);
  }

  /** Both positions, from which a stopped ring continues (SET_VRING_BASE). */
  get base(): number {
    return ((this.#used.half << 16) | this.#used.half) >>> 0;
  }

  get written(): readonly GuestBuffer[] {
    const { descriptors, driver } = this.parts;
    return this.#tables === undefined ? [descriptors, driver] : [descriptors, driver, this.#tables];
  }

  isPossibleBase(base: number): boolean {
    // Only the available half is compared: DPDK returns no more.
    const position = new RingPosition(this.size, base & 0xffff);
    const ahead = this.#aheadOfUsed(position);
    return (
      (base & 0x7fff) < this.size && ahead >= 0 && ahead <= this.#aheadOfUsed(this.#unpublished)
    );
  }

  get published(): number {
    return this.outstanding - ((this.#added - this.#published) | 0);
  }

  add(segments: SegmentList, readable: number, token: number): boolean {
    const { count } = segments;
    const useTable = this.#tables !== undefined && count > 1 && count <= this.#tableSegments;
    const needed = useTable ? 1 : count;
    if (needed > this.#freeDescriptors || count === 0 || this.broken !== undefined) return false;
    const id = this.#ids.take();
    let writable = 0;
    for (let i = readable; i < count; i += 1) writable += segments.lengths[i] ?? 0;
    if (useTable) this.#writeTable(id, segments, readable);
    else this.#writeChain(id, segments, readable);
    this.#freeDescriptors -= needed;
    this.#counts[id] = needed;
    // A used descriptor cannot name more.
    this.#writable[id] = writable > MAX_LENGTH ? MAX_LENGTH : writable;
    this.#tokens[id] = token;
    this.#order[id] = this.#added;
    this.#added = (this.#added + 1) | 0;
    this.outstanding += 1;
    return true;
  }

  addSingles(segments: SegmentList, readable: boolean, tokens: Int32Array): number {
    if (this.broken !== undefined) return 0;
    const { descriptors } = this.raw;
    const { addresses, lengths } = segments;
    const count = Math.min(segments.count, this.#freeDescriptors);
    const next = this.#next;
    let { index } = next;
    let flags = (readable ? 0 : Write) | (next.wrap ? Available : Used);
    let isHeld = this.#added === this.#published;
    for (let i = 0; i < count; i += 1) {
      const id = this.#ids.take();
      const length = lengths[i] ?? 0;
      writeBuffer(descriptors, index * 4, addresses, i, length);
      const tail = id | (flags << 16);
      this.#tails[index] = tail;
      if (!isHeld) descriptors[index * 4 + 3] = tail;
      isHeld = false;
      this.#counts[id] = 1;
      this.#writable[id] = readable ? 0 : length;
      this.#tokens[id] = tokens[i] ?? 0;
      this.#order[id] = (this.#added + i) | 0;
      index += 1;
      if (index === this.size) {
        index = 0;
        flags ^= Available | Used;
      }
    }
    next.advance(count);
    this.#freeDescriptors -= count;
    this.#added = (this.#added + count) | 0;
    this.outstanding += count;
    return count;
  }

  publish(most = this.size): boolean {
    const added = (this.#added - this.#published) | 0;
    const count = most < added ? most : added;
    if (count <= 0) return false;
    const { descriptors16 } = this.raw;
    const first = this.#unpublished.index;
    const tail = this.#tails[first] ?? 0;
    if (count === added) this.#unpublished.copy(this.#next);
    else this.#holdBehind(count);
    this.#published = (this.#published + count) | 0;
    descriptors16[first * 8 + 6] = tail;
    Atomics.store(descriptors16, first * 8 + 7, tail >>> 16);
    const flags = Atomics.load(this.raw.deviceEvent, 1) & 3;
    const before = this.#decided;
    this.#decided = this.#unpublished.index;
    if (flags !== EventFlag.Descriptor || !this.#eventIdx) return flags !== EventFlag.Disable;
    const event = Atomics.load(this.raw.deviceEvent, 0);
    return packedNeedsEvent(event, this.#unpublished, before, this.size);
  }

  /** A lower bound: one used descriptor may complete a long chain or a batch. */
  pendingCompletions(): number {
    return this.broken === undefined && this.#hasUsed() ? Math.max(1, this.#ready) : 0;
  }

  poll(done: (token: number, written: number) => void, max: number): number {
    let count = 0;
    while (count < max && this.broken === undefined && this.#hasUsed()) {
      let id = this.#ids.oldest;
      if (this.#batchLeft === 0) {
        const at = this.#used.index * 4;
        const tail = this.raw.descriptors[at + 3] ?? 0;
        id = tail & 0xffff;
        const isWritten = ((tail >>> 16) & Write) !== 0;
        this.#batchLength = isWritten ? (this.raw.descriptors[at + 2] ?? 0) : 0;
        if (!this.#isPossibleId(id)) break;
      }
      if (this.#inOrder) {
        if (this.#batchLeft === 0) this.#batchLeft = this.#ids.before(id) + 1;
        this.#batchLeft -= 1;
        id = this.#ids.oldest;
      }
      const token = this.#tokens[id] ?? FREE;
      const writable = this.#writable[id] ?? 0;
      // Skipped buffers were used completely.
      const length = this.#batchLeft > 0 ? writable : this.#batchLength;
      if (length > writable) {
        this.overlongCompletions += 1;
        this.overlongLength = length;
      }
      this.#release(id);
      count += 1;
      done(token, length > writable ? writable : length);
    }
    return count;
  }

  /** Returns whether a used descriptor may have this id; if not, the ring is broken. */
  #isPossibleId(id: number): boolean {
    if (this.#inOrder) {
      const { published } = this;
      if (id < this.size && this.#ids.before(id) < published) return true;
      return this.#refuse(id, `one of the ${published} oldest outstanding buffers`, "2.8.8");
    }
    const token = this.#tokens[id] ?? FREE;
    if (token !== FREE && (((this.#order[id] ?? 0) - this.#published) | 0) < 0) return true;
    return this.#refuse(id, "an outstanding buffer", "2.8.6");
  }

  #refuse(id: number, expected: string, section: string): false {
    const reason = `expected the id of ${expected} in a used descriptor, got ${id}`;
    this.broken = { reason, section };
    return false;
  }

  enableNotifications(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.raw.driverEvent, 0, this.#used.half);
      Atomics.store(this.raw.driverEvent, 1, EventFlag.Descriptor);
    } else {
      Atomics.store(this.raw.driverEvent, 1, EventFlag.Enable);
    }
    return !this.#hasUsed();
  }

  /** Not possible: the device may have overwritten the descriptors of outstanding chains. */
  resubmit(): boolean {
    return this.outstanding === 0;
  }

  disableNotifications(): void {
    Atomics.store(this.raw.driverEvent, 1, EventFlag.Disable);
  }

  /** Returns whether there is a completion; it reads the ring only if none is known. */
  #hasUsed(): boolean {
    if (this.#ready > 0 || this.#batchLeft > 0) return true;
    if (this.outstanding === 0) return false;
    const { index, wrap } = this.#used;
    this.#ready = this.#look.count(index, wrap, wrap, this.size - this.#freeDescriptors);
    return this.#ready > 0;
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
    const tables = this.#tables;
    if (tables === undefined) return;
    const { count } = segments;
    const start = id * this.#tableSegments * 16;
    const first = (tables.view.offset + start) >>> 2;
    for (let i = 0; i < count; i += 1) {
      const length = segments.lengths[i] ?? 0;
      const flags = i < readable ? 0 : Write;
      updateDescriptor(
        tables.view.window.u32,
        first + i * 4,
        segments.addresses,
        i,
        length,
        0,
        flags,
      );
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
    if (this.#added !== this.#published) this.raw.descriptors[head * 4 + 3] = tail;
  }

  /** Advances behind the `count` oldest unpublished chains, and holds the next one back. */
  #holdBehind(count: number): void {
    const unpublished = this.#unpublished;
    let descriptors = 0;
    for (let i = 0; i < count; i += 1) {
      const at = unpublished.index + descriptors;
      const tail = this.#tails[at < this.size ? at : at - this.size] ?? 0;
      descriptors += this.#counts[tail & 0xffff] ?? 1;
    }
    unpublished.advance(descriptors);
    // These flags mean neither available nor used with this wrap counter, so the device does not go
    // beyond them.
    this.raw.descriptors16[unpublished.index * 8 + 7] = unpublished.wrap ? 0 : Available | Used;
  }

  /** Returns the number of descriptors from #used to a position; negative behind it. */
  #aheadOfUsed({ index, wrap }: RingPosition): number {
    return (wrap === this.#used.wrap ? 0 : this.size) + index - this.#used.index;
  }

  #flags(i: number, count: number, readable: number): number {
    return this.#wrapFlags() | (i < readable ? 0 : Write) | (i + 1 < count ? Next : 0);
  }

  /** Returns the AVAIL and USED bits of an available descriptor at the next position. */
  #wrapFlags(): number {
    return this.#next.wrap ? Available : Used;
  }

  #release(id: number): void {
    const count = this.#counts[id] ?? 1;
    this.#used.advance(count);
    this.#ready = count < this.#ready ? this.#ready - count : 0;
    this.#freeDescriptors += count;
    this.#tokens[id] = FREE;
    this.#ids.release(id);
    this.outstanding -= 1;
  }
}
