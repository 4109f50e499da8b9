import { counted, needsEvent, u16Distance, UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag } from "../descriptor.ts";
import { BatchOrder } from "../in-order.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { SegmentList } from "../segment-list.ts";
import type { DriverQueue } from "../driver-roles.ts";
import type { DriverQueueOptions, QueueFault, RingParts } from "../types.ts";
import { DescriptorPool } from "./descriptor-pool.ts";
import { isSplitQueueSize, NO_INTERRUPT, NO_NOTIFY, splitRing, splitRingLayout } from "./layout.ts";

const FREE = -1;

/**
 * The driver half of a split virtqueue, VIRTIO 2.7. It never reads back memory that the device
 * could have overwritten: free list, chain lengths and tokens are in private memory.
 *
 * Ordering, as in the device half: available idx, then avail_event (publish) and used_event, then
 * used idx (enableNotifications) are atomic store-then-load pairs; everything else is plain.
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
  readonly #descriptors: DescriptorPool;
  /** By head of the chain: its writable bytes, its token (or FREE). */
  readonly #writable: Float64Array;
  readonly #tokens: Int32Array;
  /** By head: the value of {@link #added} when the chain was added. */
  readonly #order: Int32Array;
  /**
   * Numbers of added and of published chains: signed 32-bit, wrapping; the low half is the
   * available idx.
   */
  #added: number;
  #published: number;
  #usedSeen: number;
  /** The used idx as it was last read. */
  #used: number;
  /** With VIRTIO_F_IN_ORDER: the chains that a used element covers, and the length of the last. */
  readonly #batch: BatchOrder | undefined;
  #batchLength = 0;

  /**
   * @throws {UsageError} the size is not a power of two up to 32768
   * @throws {MemoryAccessError} the memory has no room left
   */
  constructor(options: DriverQueueOptions) {
    const { size, memory, features, indirectSegments = 8, base = 0 } = options;
    if (!isSplitQueueSize(size)) {
      throw new UsageError(`queue size ${size} is not a power of two up to 32768`);
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
    this.#descriptors = new DescriptorPool(
      this.raw.descriptors,
      size,
      features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined,
      indirectSegments,
      features.inOrder === true,
    );
    this.#writable = new Float64Array(size);
    this.#tokens = new Int32Array(size).fill(FREE);
    this.#order = new Int32Array(size);
    this.#batch = features.inOrder ? new BatchOrder(size) : undefined;
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.#tokens.filter((token) => token !== FREE);
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#tokens.fill(FREE);
    this.#descriptors.clear();
    this.#batch?.clear();
    this.#added = this.#published = this.#usedSeen = this.#used = 0;
    this.outstanding = 0;
    this.broken = undefined;
    tokens.forEach(dropped);
  }

  /** The index from which a stopped ring continues (SET_VRING_BASE). */
  get base(): number {
    return this.#usedSeen;
  }

  get written(): readonly GuestBuffer[] {
    const { descriptors, driver } = this.parts;
    const { tables } = this.#descriptors;
    return tables === undefined ? [descriptors, driver] : [descriptors, driver, tables];
  }

  get published(): number {
    // Both indices run freely, so their distance is the number of published chains that are not
    // used yet.
    return u16Distance(this.#published, this.#usedSeen);
  }

  isPossibleBase(base: number): boolean {
    return base <= 0xffff && u16Distance(base, this.#usedSeen) <= this.published;
  }

  add(segments: SegmentList, readable: number, token: number): boolean {
    if (this.broken !== undefined) return false;
    const head = this.#descriptors.add(segments, readable);
    if (head < 0) return false;
    let writable = 0;
    for (let i = readable; i < segments.count; i += 1) writable += segments.lengths[i] ?? 0;
    this.#writable[head] = writable;
    this.#tokens[head] = token;
    this.#batch?.add(head);
    this.#order[head] = this.#added;
    this.raw.available[2 + (this.#added & this.#mask)] = head;
    this.#added = (this.#added + 1) | 0;
    this.outstanding += 1;
    return true;
  }

  addSingles(segments: SegmentList, readable: boolean, tokens: Int32Array): number {
    if (this.broken !== undefined) return 0;
    const { available } = this.raw;
    const flags = readable ? 0 : DescriptorFlag.Write;
    const count = Math.min(segments.count, this.#descriptors.free);
    for (let i = 0; i < count; i += 1) {
      const head = this.#descriptors.addSingle(segments, i, flags);
      this.#writable[head] = readable ? 0 : (segments.lengths[i] ?? 0);
      this.#tokens[head] = tokens[i] ?? 0;
      this.#batch?.add(head);
      this.#order[head] = this.#added;
      available[2 + (this.#added & this.#mask)] = head;
      this.#added = (this.#added + 1) | 0;
    }
    this.outstanding += count;
    return count;
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
   * Returns whether there is a completion; it reads the ring only if none is known. The first load
   * is a plain one: most looks see nothing, and an atomic load is a call.
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

  /**
   * Finds the chains that the next used element covers, with VIRTIO_F_IN_ORDER. Returns false if
   * the element is wrong.
   */
  #beginBatch(batch: BatchOrder, slot: number): boolean {
    const last = this.raw.used32[slot] ?? 0;
    this.#batchLength = this.raw.used32[slot + 1] ?? 0;
    const given = u16Distance(this.#used, this.#usedSeen);
    if (batch.begin(last, given)) return true;
    this.#fail(
      `expected one of the ${counted(given, "chain")} to be used next, in order, as used id, got ${last}`,
      "2.7.9",
    );
    return false;
  }

  /** Returns whether a chain with this head is published and not used. */
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
    this.#tokens[head] = FREE;
    this.#descriptors.release(head);
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

  /**
   * The places between used and available idx are as many as the outstanding chains, so all of them
   * fit.
   */
  resubmit(): boolean {
    const age = (head: number): number => (this.#added - (this.#order[head] ?? 0)) | 0;
    const heads = Array.from(this.#tokens.keys()).filter((head) => this.#tokens[head] !== FREE);
    heads.sort((a, b) => age(b) - age(a));
    for (const [i, head] of heads.entries()) {
      this.raw.available[2 + ((this.#usedSeen + i) & this.#mask)] = head;
    }
    return true;
  }

  #fail(reason: string, section: string): void {
    this.broken = { reason, section };
  }
}
