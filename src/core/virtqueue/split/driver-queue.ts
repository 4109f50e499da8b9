import { counted, needsEvent, u16Distance, UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag, tableAddresses, updateDescriptor } from "../descriptor.ts";
import { BatchOrder } from "../in-order.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { SegmentList } from "../segment-list.ts";
import type { DriverQueue } from "../driver-roles.ts";
import type { DriverQueueOptions, QueueFault, RingParts } from "../types.ts";
import { isSplitQueueSize, NO_INTERRUPT, NO_NOTIFY, splitRing, splitRingLayout } from "./layout.ts";

const FREE = -1;

/**
 * The driver half of a split virtqueue, VIRTIO 2.7. What the device could have overwritten is never
 * read back: free list, chain lengths and tokens are kept in private memory.
 *
 * Ordering, as in the device half: available idx, then avail_event (publish) and used_event, then
 * used idx (arm) are atomic store-then-load pairs; everything else is plain.
 */
export class SplitDriverQueue implements DriverQueue {
  readonly size: number;
  readonly raw: SplitRingWords;
  readonly parts: RingParts;
  outstanding = 0;
  broken: QueueFault | undefined;
  overlongCompletions = 0;
  overlongLength = 0;
  readonly #eventIdx: boolean;
  readonly #mask: number;
  readonly #tables: GuestBuffer | undefined;
  readonly #tableSegments: number;
  /** Guest address of each chain's table. */
  readonly #tableAddresses: Float64Array;
  /**
   * Free descriptors as a list through `#following`; with VIRTIO_F_IN_ORDER it goes round the table
   * and never changes.
   */
  #firstFree = 0;
  #freeCount: number;
  readonly #following: Uint16Array;
  /** By head: descriptors of the ring in the chain, its writable bytes, its token (or FREE). */
  readonly #chainLength: Uint16Array;
  readonly #writable: Float64Array;
  readonly #tokens: Int32Array;
  /** By head: how many chains had been added before, as {@link #added}. */
  readonly #order: Int32Array;
  /**
   * Chains that were added, and how many of them the device was shown: signed 32-bit, wrapping; the
   * low half is the available idx.
   */
  #added: number;
  #published: number;
  #usedSeen: number;
  /** The used idx as it was read last. */
  #used: number;
  /** With VIRTIO_F_IN_ORDER: which chains an element stands for, and the length of the last. */
  readonly #batch: BatchOrder | undefined;
  #batchLength = 0;

  /**
   * @throws {UsageError} the size is no power of two up to 32768
   * @throws {MemoryAccessError} the memory has no room left
   */
  constructor(options: DriverQueueOptions) {
    const { size, memory, features, indirectSegments = 8, base = 0 } = options;
    if (!isSplitQueueSize(size)) {
      throw new UsageError(`expected a queue size that is a power of two up to 32768, got ${size}`);
    }
    this.size = size;
    this.#mask = size - 1;
    this.#eventIdx = features.eventIdx;
    const layout = splitRingLayout(size);
    this.parts = {
      descriptors: memory.allocate(layout.descriptors.bytes, layout.descriptors.alignment),
      driver: memory.allocate(layout.driver.bytes, layout.driver.alignment),
      device: memory.allocate(layout.device.bytes, layout.device.alignment),
    };
    this.raw = splitRing(size, {
      descriptors: this.parts.descriptors.view,
      driver: this.parts.driver.view,
      device: this.parts.device.view,
    });
    this.#added = this.#published = this.#usedSeen = this.#used = base;
    Atomics.store(this.raw.available, 1, base);
    Atomics.store(this.raw.used16, 1, base);
    this.#tableSegments = features.indirect ? indirectSegments : 0;
    this.#tables = features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined;
    this.#tableAddresses = tableAddresses(this.#tables, size, indirectSegments);
    this.#freeCount = size;
    this.#following = new Uint16Array(size);
    this.#linkFree();
    this.#chainLength = new Uint16Array(size);
    this.#writable = new Float64Array(size);
    this.#tokens = new Int32Array(size).fill(FREE);
    this.#order = new Int32Array(size);
    this.#batch = features.inOrder ? new BatchOrder(size) : undefined;
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.#tokens.filter((token) => token !== FREE);
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#tokens.fill(FREE);
    this.#linkFree();
    this.#batch?.clear();
    this.#freeCount = this.size;
    this.#added = this.#published = this.#usedSeen = this.#used = 0;
    this.outstanding = 0;
    this.broken = undefined;
    tokens.forEach(dropped);
  }

  /** Index to start from after the ring was stopped (SET_VRING_BASE). */
  get base(): number {
    return this.#usedSeen;
  }

  get written(): readonly GuestBuffer[] {
    const { descriptors, driver } = this.parts;
    return this.#tables === undefined ? [descriptors, driver] : [descriptors, driver, this.#tables];
  }

  get published(): number {
    // Both indices run freely, so this is what the device was shown and has not given back.
    return u16Distance(this.#published, this.#usedSeen);
  }

  isPossibleBase(base: number): boolean {
    return base <= 0xffff && u16Distance(base, this.#usedSeen) <= this.published;
  }

  add(segments: SegmentList, readable: number, token: number): boolean {
    const count = segments.count;
    const useTable = this.#tables !== undefined && count > 1 && count <= this.#tableSegments;
    const needed = useTable ? 1 : count;
    if (needed > this.#freeCount || count === 0 || this.broken !== undefined) return false;
    const head = this.#firstFree;
    let writable = 0;
    for (let i = readable; i < count; i += 1) writable += segments.lengths[i] ?? 0;
    if (useTable) this.#writeTable(head, segments, readable);
    else this.#writeChain(segments, readable);
    this.#freeCount -= needed;
    this.#chainLength[head] = needed;
    this.#writable[head] = writable;
    this.#tokens[head] = token;
    this.#batch?.add(head);
    this.#order[head] = this.#added;
    this.raw.available[2 + (this.#added & this.#mask)] = head;
    this.#added = (this.#added + 1) | 0;
    this.outstanding += 1;
    return true;
  }

  addSingles(
    { count, addresses, lengths }: SegmentList,
    readable: boolean,
    tokens: Int32Array,
  ): number {
    if (this.broken !== undefined) return 0;
    const { descriptors, available } = this.raw;
    const flags = readable ? 0 : DescriptorFlag.Write;
    const added = Math.min(count, this.#freeCount);
    for (let i = 0; i < added; i += 1) {
      const head = this.#firstFree;
      const length = lengths[i] ?? 0;
      updateDescriptor(descriptors, head * 4, addresses, i, length, flags, 0);
      this.#firstFree = this.#following[head] ?? 0;
      this.#chainLength[head] = 1;
      this.#writable[head] = readable ? 0 : length;
      this.#tokens[head] = tokens[i] ?? 0;
      this.#batch?.add(head);
      this.#order[head] = this.#added;
      available[2 + (this.#added & this.#mask)] = head;
      this.#added = (this.#added + 1) | 0;
    }
    this.#freeCount -= added;
    this.outstanding += added;
    return added;
  }

  publish(most = this.size): boolean {
    const before = this.#published;
    const added = (this.#added - before) | 0;
    if (added === 0 || most <= 0) return false;
    const now = most < added ? (before + most) | 0 : this.#added;
    this.#published = now;
    Atomics.store(this.raw.available, 1, now & 0xffff);
    if (!this.#eventIdx) return (Atomics.load(this.raw.used16, 0) & NO_NOTIFY) === 0;
    const event = Atomics.load(this.raw.used16, this.raw.availEventIndex);
    return needsEvent(event, now, before);
  }

  pendingCompletions(): number {
    if (this.broken !== undefined || !this.#hasUsed()) return 0;
    return u16Distance(this.#used, this.#usedSeen);
  }

  poll(done: (token: number, written: number) => void, max: number): number {
    let count = 0;
    while (count < max && this.broken === undefined && this.#hasUsed()) {
      const slot = 1 + 2 * (this.#usedSeen & this.#mask);
      const batch = this.#batch;
      if (batch === undefined) {
        const head = this.raw.used32[slot] ?? 0;
        if (!this.#isPublished(head)) {
          this.#fail(`expected the head of an outstanding chain as used id, got ${head}`, "2.7.8");
          break;
        }
        this.#handOver(head, this.raw.used32[slot + 1] ?? 0, done);
      } else {
        if (batch.left === 0 && !this.#beginBatch(batch, slot)) break;
        const head = batch.take();
        const length = batch.left === 0 ? this.#batchLength : (this.#writable[head] ?? 0);
        this.#handOver(head, length, done);
      }
      count += 1;
    }
    return count;
  }

  /**
   * Whether a completion is known to be there; looks where there was none. By a plain look first: most
   * see nothing, and an atomic load is a call.
   */
  #hasUsed(): boolean {
    if (this.#used !== this.#usedSeen) return true;
    if (this.raw.used16[1] === this.#usedSeen) return false;
    const used = Atomics.load(this.raw.used16, 1);
    const waiting = u16Distance(used, this.#usedSeen);
    const { published } = this;
    if (waiting <= published) {
      this.#used = used;
      return waiting > 0;
    }
    this.#fail(
      `expected at most ${counted(published, "completion")}, got ${waiting} (used idx ${used})`,
      "2.7.8",
    );
    return false;
  }

  /** With VIRTIO_F_IN_ORDER: which chains the next used element stands for. False: it is wrong. */
  #beginBatch(batch: BatchOrder, slot: number): boolean {
    const last = this.raw.used32[slot] ?? 0;
    this.#batchLength = this.raw.used32[slot + 1] ?? 0;
    const given = u16Distance(this.#used, this.#usedSeen);
    if (batch.begin(last, given)) return true;
    this.#fail(
      `expected one of the ${counted(given, "chain")} that are given back, in their order, as used id, got ${last}`,
      "2.7.9",
    );
    return false;
  }

  /** Whether a chain with this head is with the device. */
  #isPublished(head: number): boolean {
    if ((this.#tokens[head] ?? FREE) === FREE) return false;
    return (((this.#order[head] ?? 0) - this.#published) | 0) < 0;
  }

  #handOver(head: number, length: number, done: (token: number, written: number) => void): void {
    const token = this.#tokens[head] ?? FREE;
    const writable = this.#writable[head] ?? 0;
    if (length > writable) {
      this.overlongCompletions += 1;
      this.overlongLength = length;
    }
    this.#release(head);
    this.#usedSeen = (this.#usedSeen + 1) & 0xffff;
    this.outstanding -= 1;
    done(token, length > writable ? writable : length);
  }

  enableNotifications(): boolean {
    if (this.#eventIdx) Atomics.store(this.raw.available, this.raw.usedEventIndex, this.#usedSeen);
    else Atomics.store(this.raw.available, 0, 0);
    return Atomics.load(this.raw.used16, 1) === this.#usedSeen;
  }

  disableNotifications(): void {
    if (this.#eventIdx) {
      const passed = (this.#usedSeen - 1) & 0xffff;
      Atomics.store(this.raw.available, this.raw.usedEventIndex, passed);
    } else {
      Atomics.store(this.raw.available, 0, NO_INTERRUPT);
    }
  }

  /** Between used and available idx there are as many places as chains are out. */
  resubmit(): boolean {
    const age = (head: number): number => (this.#added - (this.#order[head] ?? 0)) | 0;
    const heads = Array.from(this.#tokens.keys()).filter((head) => this.#tokens[head] !== FREE);
    heads.sort((a, b) => age(b) - age(a));
    for (const [i, head] of heads.entries()) {
      this.raw.available[2 + ((this.#usedSeen + i) & this.#mask)] = head;
    }
    return true;
  }

  #writeChain(segments: SegmentList, readable: number): void {
    const count = segments.count;
    let at = this.#firstFree;
    for (let i = 0; i < count; i += 1) {
      const following = this.#following[at] ?? 0;
      const flags =
        (i < readable ? 0 : DescriptorFlag.Write) | (i + 1 < count ? DescriptorFlag.Next : 0);
      const next = i + 1 < count ? following : 0;
      updateDescriptor(
        this.raw.descriptors,
        at * 4,
        segments.addresses,
        i,
        segments.lengths[i] ?? 0,
        flags,
        next,
      );
      at = following;
    }
    this.#firstFree = at;
  }

  #writeTable(head: number, segments: SegmentList, readable: number): void {
    const tables = this.#tables;
    if (tables === undefined) return;
    const count = segments.count;
    const start = head * this.#tableSegments * 16;
    const first = (tables.view.offset + start) >>> 2;
    for (let i = 0; i < count; i += 1) {
      const flags =
        (i < readable ? 0 : DescriptorFlag.Write) | (i + 1 < count ? DescriptorFlag.Next : 0);
      updateDescriptor(
        tables.view.window.u32,
        first + i * 4,
        segments.addresses,
        i,
        segments.lengths[i] ?? 0,
        flags,
        i + 1 < count ? i + 1 : 0,
      );
    }
    updateDescriptor(
      this.raw.descriptors,
      head * 4,
      this.#tableAddresses,
      head,
      count * 16,
      DescriptorFlag.Indirect,
      0,
    );
    this.#firstFree = this.#following[head] ?? 0;
  }

  /** All descriptors are free, in the order of the table. */
  #linkFree(): void {
    this.#firstFree = 0;
    for (let i = 0; i < this.size; i += 1) this.#following[i] = (i + 1) & this.#mask;
  }

  #release(head: number): void {
    const length = this.#chainLength[head] ?? 1;
    this.#freeCount += length;
    this.#tokens[head] = FREE;
    if (this.#batch !== undefined) return;
    let last = head;
    for (let i = 1; i < length; i += 1) last = this.#following[last] ?? 0;
    this.#following[last] = this.#firstFree;
    this.#firstFree = head;
  }

  #fail(reason: string, section: string): void {
    this.broken = { reason, section };
  }
}
