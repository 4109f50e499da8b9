import { UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag, tableAddresses, writeDescriptor } from "../descriptor.ts";
import { BatchOrder } from "../in-order.ts";
import type { RawPackedRing } from "../raw-ring.ts";
import type { SegmentList } from "../segment-list.ts";
import type { DriverQueue, DriverQueueOptions, QueueFault, RingParts } from "../types.ts";
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

const { Available, Used, Write, Next, Indirect } = DescriptorFlag;
const FREE = -1;

/**
 * The driver half of a packed virtqueue, VIRTIO 2.8. What the device could have overwritten is never
 * read back: chain lengths, tokens and free ids are kept in private memory.
 *
 * Ordering, as in the device half: the flags of the first chain of a batch are stored last, by
 * `Atomics` (publish); flags, then the device's event area (publish), and our event area, then flags
 * (arm), are atomic store-then-load pairs.
 */
export class PackedDriverQueue implements DriverQueue {
  readonly size: number;
  readonly raw: RawPackedRing;
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
  /** Where the first chain of the batch begins, its flags, and whether there is a batch. */
  #heldIndex = 0;
  #heldFlags = 0;
  #held = false;
  /** Index of #next at the last decision about a kick. */
  #decided = 0;
  /**
   * Chains that were added, and how many of them the device was shown: signed 32-bit, wrapping. A
   * counter that goes on would be allocated at each request from 2^31 on.
   */
  #added = 0;
  #shown = 0;
  /** By buffer id: ring descriptors, writable bytes, token (or FREE), when it was added. */
  readonly #counts: Uint16Array;
  readonly #writable: Float64Array;
  readonly #tokens: Int32Array;
  readonly #order: Int32Array;
  readonly #freeIds: Uint16Array;
  #freeIdCount: number;
  /** With VIRTIO_F_IN_ORDER: which buffers a descriptor stands for, and the length of the last. */
  readonly #batch: BatchOrder | undefined;
  #batchLength = 0;

  /**
   * @throws {UsageError} the size is none of 1 to 32768
   * @throws {MemoryAccessError} the memory has no room left
   */
  constructor({ size, memory, features, indirectSegments = 8 }: DriverQueueOptions) {
    if (!isPackedQueueSize(size)) {
      throw new UsageError(`expected a queue size of 1 to ${MAX_PACKED_SIZE}, got ${size}`);
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
    this.#tableSegments = features.indirect ? indirectSegments : 0;
    this.#tables = features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined;
    this.#tableAddresses = tableAddresses(this.#tables, size, indirectSegments);
    this.#next = new RingPosition(size, FRESH_BASE & 0xffff);
    this.#used = new RingPosition(size, FRESH_BASE >>> 16);
    this.#freeDescriptors = size;
    this.#counts = new Uint16Array(size);
    this.#writable = new Float64Array(size);
    this.#tokens = new Int32Array(size).fill(FREE);
    this.#order = new Int32Array(size);
    this.#freeIds = Uint16Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeIdCount = size;
    this.#batch = features.inOrder ? new BatchOrder(size) : undefined;
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.#tokens.filter((token) => token !== FREE);
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#tokens.fill(FREE);
    this.#freeIds.forEach((_, i, ids) => (ids[i] = this.size - 1 - i));
    this.#freeIdCount = this.#freeDescriptors = this.size;
    this.#batch?.clear();
    this.#next.restart(FRESH_BASE & 0xffff);
    this.#used.restart(FRESH_BASE >>> 16);
    this.#held = false;
    this.#decided = 0;
    this.#added = this.#shown = 0;
    this.outstanding = 0;
    this.broken = undefined;
    tokens.forEach(dropped);
  }

  /** Both positions, to start from after the ring was stopped (SET_VRING_BASE). */
  get base(): number {
    return ((this.#used.half << 16) | this.#used.half) >>> 0;
  }

  /** Of the two halves only the first is looked at: DPDK gives no more. */
  get written(): readonly GuestBuffer[] {
    const { descriptors, driver } = this.parts;
    return this.#tables === undefined ? [descriptors, driver] : [descriptors, driver, this.#tables];
  }

  isPossibleBase(base: number): boolean {
    const position = new RingPosition(this.size, base & 0xffff);
    const laps = (position.wrap === this.#used.wrap ? 0 : this.size) + position.index;
    const ahead = laps - this.#used.index;
    return (base & 0x7fff) < this.size && ahead >= 0 && ahead <= this.size - this.#freeDescriptors;
  }

  add(segments: SegmentList, readable: number, token: number): boolean {
    const { count } = segments;
    const useTable = this.#tables !== undefined && count > 1 && count <= this.#tableSegments;
    const needed = useTable ? 1 : count;
    if (needed > this.#freeDescriptors || count === 0 || this.broken !== undefined) return false;
    this.#freeIdCount -= 1;
    const id = this.#freeIds[this.#freeIdCount] ?? 0;
    let writable = 0;
    for (let i = readable; i < count; i += 1) writable += segments.lengths[i] ?? 0;
    if (useTable) this.#writeTable(id, segments, readable);
    else this.#writeChain(id, segments, readable);
    this.#freeDescriptors -= needed;
    this.#counts[id] = needed;
    this.#writable[id] = writable;
    this.#tokens[id] = token;
    this.#order[id] = this.#added;
    this.#batch?.add(id);
    this.#added = (this.#added + 1) | 0;
    this.outstanding += 1;
    return true;
  }

  publish(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    this.#shown = this.#added;
    Atomics.store(this.raw.descriptors16, this.#heldIndex * 8 + 7, this.#heldFlags);
    const flags = Atomics.load(this.raw.deviceEvent, 1) & 3;
    const before = this.#decided;
    this.#decided = this.#next.index;
    if (flags !== EventFlag.Descriptor || !this.#eventIdx) return flags !== EventFlag.Disable;
    const event = Atomics.load(this.raw.deviceEvent, 0);
    return packedNeedsEvent(event, this.#next, before, this.size);
  }

  poll(done: (token: number, written: number) => void, max: number): number {
    let count = 0;
    while (count < max && this.broken === undefined && this.#isUsed()) {
      const batch = this.#batch;
      let id = 0;
      let length = this.#batchLength;
      if (batch === undefined || batch.left === 0) {
        const { index } = this.#used;
        id = this.raw.descriptors16[index * 8 + 6] ?? 0;
        const flags = this.raw.descriptors16[index * 8 + 7] ?? 0;
        length = (flags & Write) === 0 ? 0 : (this.raw.descriptors[index * 4 + 2] ?? 0);
        if (!this.#isPossibleId(id)) break;
      }
      if (batch !== undefined) {
        this.#batchLength = length;
        id = batch.take();
        // What was skipped was used completely.
        if (batch.left > 0) length = this.#writable[id] ?? 0;
      }
      const token = this.#tokens[id] ?? FREE;
      const writable = this.#writable[id] ?? 0;
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

  /** Whether a used descriptor may have this id; if not, the ring is broken. */
  #isPossibleId(id: number): boolean {
    if (this.#batch !== undefined) {
      const shown = this.outstanding - ((this.#added - this.#shown) | 0);
      if (this.#batch.begin(id, shown)) return true;
      const expected = `one of the ${shown} oldest outstanding buffers`;
      const reason = `expected the id of ${expected} in a used descriptor, got ${id}`;
      this.broken = { reason, section: "2.8.8" };
      return false;
    }
    const token = this.#tokens[id] ?? FREE;
    if (token !== FREE && (((this.#order[id] ?? 0) - this.#shown) | 0) < 0) return true;
    const reason = `expected the id of an outstanding buffer in a used descriptor, got ${id}`;
    this.broken = { reason, section: "2.8.6" };
    return false;
  }

  arm(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.raw.driverEvent, 0, this.#used.half);
      Atomics.store(this.raw.driverEvent, 1, EventFlag.Descriptor);
    } else {
      Atomics.store(this.raw.driverEvent, 1, EventFlag.Enable);
    }
    return !this.#isUsed();
  }

  /** The descriptors of what is out may have been overwritten. */
  resubmit(): boolean {
    return this.outstanding === 0;
  }

  disarm(): void {
    Atomics.store(this.raw.driverEvent, 1, EventFlag.Disable);
  }

  #isUsed(): boolean {
    if (this.outstanding === 0) return false;
    if (this.#batch !== undefined && this.#batch.left > 0) return true;
    const { index, wrap } = this.#used;
    const flags = Atomics.load(this.raw.descriptors16, index * 8 + 7);
    return ((flags & Available) !== 0) === wrap && ((flags & Used) !== 0) === wrap;
  }

  #writeChain(id: number, segments: SegmentList, readable: number): void {
    const { count } = segments;
    const next = this.#next;
    const head = next.index;
    const headFlags = this.#flags(0, count, readable);
    for (let i = 0; i < count; i += 1) {
      const flags = this.#flags(i, count, readable);
      const length = segments.lengths[i] ?? 0;
      // The head keeps what it says now: a lap ago that was "used".
      const shown = i === 0 ? this.#oldFlags(next.index) : flags;
      writeDescriptor(
        this.raw.descriptors,
        next.index * 4,
        segments.addresses,
        i,
        length,
        id,
        shown,
      );
      next.advance(1);
    }
    this.#show(head, headFlags);
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
      writeDescriptor(
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
    const headFlags = this.#lapFlags() | Indirect;
    const old = this.#oldFlags(head);
    writeDescriptor(this.raw.descriptors, head * 4, this.#tableAddresses, id, count * 16, id, old);
    next.advance(1);
    this.#show(head, headFlags);
  }

  /** Makes a chain available, unless it is the first of a batch: that one is shown by publish(). */
  #show(head: number, flags: number): void {
    if (this.#held) {
      Atomics.store(this.raw.descriptors16, head * 8 + 7, flags);
    } else {
      this.#held = true;
      this.#heldIndex = head;
      this.#heldFlags = flags;
    }
  }

  #flags(i: number, count: number, readable: number): number {
    return this.#lapFlags() | (i < readable ? 0 : Write) | (i + 1 < count ? Next : 0);
  }

  /** "Available" in the lap of the next position. */
  #lapFlags(): number {
    return this.#next.wrap ? Available : Used;
  }

  #oldFlags(index: number): number {
    return this.raw.descriptors16[index * 8 + 7] ?? 0;
  }

  #release(id: number): void {
    const count = this.#counts[id] ?? 1;
    this.#used.advance(count);
    this.#freeDescriptors += count;
    this.#tokens[id] = FREE;
    this.#freeIds[this.#freeIdCount] = id;
    this.#freeIdCount += 1;
    this.outstanding -= 1;
  }
}
