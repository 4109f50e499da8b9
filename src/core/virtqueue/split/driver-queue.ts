import { counted, u16Distance, UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag } from "../descriptor.ts";
import { BatchOrder } from "../in-order.ts";
import { DriverHalf } from "../driver-half.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { SegmentList } from "../segment-list.ts";
import type { DriverQueue } from "../driver-roles.ts";
import type { DriverQueueOptions, RingParts } from "../types.ts";
import { DescriptorPool } from "./descriptor-pool.ts";
import { SplitEventSuppression } from "./event-suppression.ts";
import { isSplitQueueSize, splitRing, splitRingLayout } from "./layout.ts";

/**
 * The driver half of a split virtqueue, VIRTIO 2.7: it publishes chains in the available ring and
 * takes completions from the used ring.
 *
 * Ordering, as in the device half: available idx, then avail_event (publish) and used_event, then
 * used idx (enableNotifications) are atomic store-then-load pairs; everything else is plain.
 */
export class SplitDriverQueue extends DriverHalf implements DriverQueue {
  readonly size: number;
  readonly raw: SplitRingWords;
  readonly parts: RingParts;
  readonly #mask: number;
  readonly #descriptors: DescriptorPool;
  readonly #events: SplitEventSuppression;
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
    super(size, base);
    this.size = size;
    this.#mask = size - 1;
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
    this.#events = new SplitEventSuppression(this.raw, "driver", features.eventIdx, base);
    this.#usedSeen = this.#used = base;
    Atomics.store(this.raw.available, 1, base);
    Atomics.store(this.raw.used16, 1, base);
    this.#descriptors = new DescriptorPool(
      this.raw.descriptors,
      size,
      features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined,
      indirectSegments,
      features.inOrder === true,
    );
    this.#batch = features.inOrder ? new BatchOrder(size) : undefined;
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.removeAll();
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#descriptors.clear();
    this.#batch?.clear();
    this.#events.restart(0);
    this.#usedSeen = this.#used = 0;
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
    return u16Distance(this.publishedChains, this.#usedSeen);
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
    this.raw.available[2 + (this.addedChains & this.#mask)] = head;
    this.#batch?.add(head);
    this.record(head, token, writable, 0);
    this.countAdded(1);
    return true;
  }

  addSingles(segments: SegmentList, readable: boolean, tokens: Int32Array): number {
    if (this.broken !== undefined) return 0;
    const flags = readable ? 0 : DescriptorFlag.Write;
    const count = Math.min(segments.count, this.#descriptors.free);
    const { available } = this.raw;
    const { lengths } = segments;
    for (let i = 0; i < count; i += 1) {
      const head = this.#descriptors.addSingle(segments, i, flags);
      available[2 + ((this.addedChains + i) & this.#mask)] = head;
      this.#batch?.add(head);
      this.record(head, tokens[i] ?? 0, readable ? 0 : (lengths[i] ?? 0), i);
    }
    this.#descriptors.free -= count;
    this.countAdded(count);
    return count;
  }

  publish(most = this.size): boolean {
    const added = this.unpublished;
    if (added === 0 || most <= 0) return false;
    const now = most < added ? (this.publishedChains + most) | 0 : this.addedChains;
    this.publishedChains = now;
    Atomics.store(this.raw.available, 1, now & 0xffff);
    return this.#events.wanted(now);
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
        if (!this.isPublished(head)) {
          this.#fail(`expected the head of an outstanding chain as used id, got ${head}`, "2.7.8");
          break;
        }
        this.#handOver(head, this.raw.used32[slot + 1] ?? 0, done);
      } else {
        if (batch.left === 0 && !this.#beginBatch(batch, slot)) break;
        const head = batch.take();
        const length = batch.left === 0 ? this.#batchLength : this.writable(head);
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

  #handOver(head: number, length: number, done: (token: number, written: number) => void): void {
    const token = this.token(head);
    const written = this.remove(head, length);
    this.#descriptors.release(head);
    this.#usedSeen = (this.#usedSeen + 1) & 0xffff;
    done(token, written);
  }

  enableNotifications(): boolean {
    this.#events.enable(this.#usedSeen);
    return Atomics.load(this.raw.used16, 1) === this.#usedSeen;
  }

  disableNotifications(): void {
    this.#events.disable(this.#usedSeen);
  }

  /**
   * The places between used and available idx are as many as the outstanding chains, so all of them
   * fit.
   */
  resubmit(): boolean {
    for (const [i, head] of this.oldestFirst().entries()) {
      this.raw.available[2 + ((this.#usedSeen + i) & this.#mask)] = head;
    }
    return true;
  }

  #fail(reason: string, section: string): void {
    this.broken = { reason, section };
  }
}
