import type { AddressSpace, SpanList } from "../../memory/index.ts";
import { MISSING } from "../chain.ts";
import { DescriptorFlag } from "../descriptor.ts";
import { CompletionOrder } from "../in-order.ts";
import { PackedInflight } from "../inflight/packed-inflight.ts";
import { MEMORY_GONE } from "../memory-gone.ts";
import type { PackedRingWords } from "../ring-words.ts";
import { NO_RING_LOG, type RingLog } from "../ring-log.ts";
import type { DeviceQueue } from "../device-roles.ts";
import type {
  ChainCursor,
  DeviceQueueOptions,
  DriverReports,
  QueueFault,
  VringState,
} from "../types.ts";
import { PackedChainWalker } from "./chain-walker.ts";
import { EventFlag, packedNeedsEvent, packedRing, RingPosition } from "./layout.ts";
import { RingLook } from "./ring-look.ts";

const { Available, Used, Write } = DescriptorFlag;

/**
 * The device half of a packed virtqueue, VIRTIO 2.8.
 *
 * Ordering. The flags of the first completion of a batch go last, by `Atomics` (publish), so the
 * driver, which reads in ring order, sees none of the batch before, and those behind are plain
 * stores. What is available is looked for by an atomic load, and from there on by plain ones with a
 * full barrier behind them (`RingLook`): descriptors are read after that. Flags, then
 * the driver's event area (publish), and our event area, then flags (enableNotifications), are atomic
 * store-then-load pairs: the full barriers that the specification asks for.
 */
export class PackedDeviceQueue implements DeviceQueue {
  readonly size: number;
  readonly raw: PackedRingWords;
  inFlight = 0;
  parked = false;
  broken: QueueFault | undefined;
  readonly #space: AddressSpace;
  readonly #reports: DriverReports | undefined;
  readonly #eventIdx: boolean;
  readonly #log: RingLog;
  /** Guest addresses of the descriptor ring and of the device event area. */
  readonly #descriptorsAt: number;
  readonly #eventAt: number;
  readonly #walker: PackedChainWalker;
  readonly #inflight: PackedInflight | undefined;
  /** Number of chains in flight at the previous back-end that must still be resubmitted. */
  #resubmit = 0;
  /** The positions of the driver's next chain and of the next completion. */
  readonly #next: RingPosition;
  readonly #used: RingPosition;
  /** Number of descriptors from #next on that are known to be available. */
  #ready = 0;
  readonly #look: RingLook;
  /**
   * The first completion that is not published yet: its slot, its contents, and whether there is
   * one. It is held back because the driver may poll its place.
   */
  #heldIndex = 0;
  #heldId = 0;
  #heldLength = 0;
  #heldFlags = 0;
  #held = false;
  /** Next used-descriptor slot. With IN_ORDER it trails `#used` while one used descriptor covers a batch. */
  readonly #element: RingPosition;
  #elementOpen = false;
  /** Assigns the slots with VIRTIO_F_IN_ORDER. */
  readonly #order: CompletionOrder | undefined;
  /** Index of #used at the last decision about a call; undefined before the first one. */
  #decided: number | undefined;
  /** Ring descriptors of the chains in flight. */
  #taken = 0;
  /** Chains of a batch in flight; their buffer ids are the first ones below. */
  #singles = 0;
  /** Chains in flight: buffer id, number of ring descriptors, entry of the in-flight region. */
  readonly #bufferIds: Uint16Array;
  readonly #counts: Uint16Array;
  readonly #entries: Uint16Array;
  readonly #freeSlots: Uint16Array;
  #freeCount: number;
  /** With an in-flight region: completions that are not written to the ring yet. */
  readonly #doneSlots: Uint16Array;
  readonly #doneLengths: Uint32Array;
  #doneCount = 0;

  /** @throws {QueueError} size or memory do not make a packed ring; see `PackedInflight` */
  constructor({ size, memory, space, features, base, inflight, log, reports }: DeviceQueueOptions) {
    this.size = size;
    this.#reports = reports;
    this.raw = packedRing(size, memory);
    this.#log = log ?? NO_RING_LOG;
    this.#descriptorsAt = memory.descriptors.window.guestStart + memory.descriptors.offset;
    this.#eventAt = memory.device.window.guestStart + memory.device.offset;
    this.#space = space;
    this.#eventIdx = features.eventIdx;
    this.#next = new RingPosition(size, base & 0xffff);
    this.#used = new RingPosition(size, base >>> 16);
    if (inflight !== undefined) {
      this.#inflight = new PackedInflight(inflight, size, base, this.raw.descriptors16);
      this.#resubmit = this.#inflight.resubmit.length;
      this.#taken = this.#inflight.outstanding;
      if (!this.#inflight.fresh) {
        this.#used.copy(this.#inflight.used);
        this.#next.copy(this.#used);
        this.#next.advance(this.#taken);
      }
    }
    this.#look = new RingLook(this.raw);
    this.#walker = new PackedChainWalker(
      this.raw,
      space,
      features.indirect,
      this.#inflight,
      reports,
    );
    this.#bufferIds = new Uint16Array(size);
    this.#counts = new Uint16Array(size);
    this.#entries = new Uint16Array(size);
    this.#freeSlots = Uint16Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeCount = size;
    this.#element = new RingPosition(size, 0);
    this.#order = features.inOrder ? new CompletionOrder(size) : undefined;
    this.#doneSlots = new Uint16Array(size);
    this.#doneLengths = new Uint32Array(size);
  }

  next(chain: ChainCursor): boolean {
    if (this.broken !== undefined) return false;
    if (this.#resubmit > 0) return this.#again(chain);
    if (!this.#findReady()) return false;
    const { index } = this.#next;
    const wrong = this.#walker.walk(index, this.size - this.#taken, chain);
    this.parked = wrong === MISSING;
    if (wrong !== undefined) {
      this.#ready = 0;
      if (this.parked) this.#inflight?.undoTake();
      else this.fail(`chain at ${index}: ${wrong.reason}`, wrong.section);
      return false;
    }
    const { count } = this.#walker;
    this.#accept(chain, this.#inflight?.head ?? 0);
    this.#ready = Math.max(0, this.#ready - count);
    this.#taken += count;
    this.#next.advance(count);
    return true;
  }

  takeSingles(spans: SpanList, max: number): number {
    spans.clear();
    const busy = this.inFlight > 0 || this.#inflight !== undefined;
    this.parked = false;
    if (busy || this.broken !== undefined || !this.#findReady()) return 0;
    const most = Math.min(max, this.#ready);
    const count = this.#walker.singles(this.#next.index, most, spans, this.#bufferIds);
    this.#ready -= count;
    this.#singles = count;
    this.#taken += count;
    this.inFlight += count;
    this.#next.advance(count);
    return count;
  }

  completeSingles(): void {
    const count = this.#singles;
    if (count === 0) return;
    if (this.#order === undefined) {
      for (let i = 0; i < count; i += 1) {
        this.#put(this.#used.index, this.#used.wrap, this.#bufferIds[i] ?? 0, 0);
        this.#used.advance(1);
      }
    } else {
      if (!this.#elementOpen) this.#element.copy(this.#used);
      this.#elementOpen = true;
      this.#put(this.#element.index, this.#element.wrap, this.#bufferIds[count - 1] ?? 0, 0);
      this.#used.advance(count);
    }
    this.#singles = 0;
    this.#taken -= count;
    this.inFlight -= count;
  }

  hasNext(): boolean {
    return this.broken === undefined && (this.#resubmit > 0 || this.#isAvailable());
  }

  complete(slot: number, written: number): void {
    const order = this.#order;
    if (order === undefined) {
      this.#finish(slot, written, false);
      return;
    }
    if (order.pass(slot)) this.#finish(slot, written, order.maySkip(slot));
    else if (!order.finish(slot, written)) {
      this.#finish(slot, written, false);
      return;
    }
    for (let next = order.next(); next >= 0; next = order.next()) {
      this.#finish(next, order.written(next), order.maySkip(next));
    }
  }

  #finish(slot: number, written: number, maySkip: boolean): void {
    this.inFlight -= 1;
    if (this.#inflight === undefined) {
      this.#write(slot, written, maySkip);
      return;
    }
    // Recorded, written and published one by one in publish(): the ring must not be ahead of the record.
    if (this.#doneCount === this.size) return;
    this.#doneSlots[this.#doneCount] = slot;
    this.#doneLengths[this.#doneCount] = written;
    this.#doneCount += 1;
  }

  publish(): boolean {
    if (this.#inflight === undefined) {
      if (!this.#held || this.#memoryGone()) return false;
      this.#elementOpen = false;
      this.#publishHeld();
    } else {
      if (this.#doneCount === 0 || this.#memoryGone()) return false;
      this.#publishTracked(this.#inflight);
    }
    const flags = Atomics.load(this.raw.driverEvent, 1) & 3;
    const before = this.#decided;
    this.#decided = this.#used.index;
    if (flags !== EventFlag.Descriptor) return flags !== EventFlag.Disable;
    if (!this.#eventIdx) {
      if (this.#reports?.tolerates("VIRTIO_RING_F_EVENT_IDX") === false)
        this.fail("a driver event area with flags 2 without VIRTIO_RING_F_EVENT_IDX", "2.8.10");
      return true;
    }
    const event = Atomics.load(this.raw.driverEvent, 0);
    return before === undefined || packedNeedsEvent(event, this.#used, before, this.size);
  }

  enableNotifications(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.raw.deviceEvent, 0, this.#next.half);
      Atomics.store(this.raw.deviceEvent, 1, EventFlag.Descriptor);
    } else {
      Atomics.store(this.raw.deviceEvent, 1, EventFlag.Enable);
    }
    if (this.#log.active) this.#log.mark(this.#eventAt, 4);
    return !this.#isAvailable() && this.#resubmit === 0 && !this.#memoryGone();
  }

  disableNotifications(): void {
    Atomics.store(this.raw.deviceEvent, 1, EventFlag.Disable);
    if (this.#log.active) this.#log.mark(this.#eventAt, 4);
  }

  state(): VringState {
    return { size: this.size, base: ((this.#used.half << 16) | this.#next.half) >>> 0 };
  }

  tolerates(feature: string): boolean {
    return this.#reports?.tolerates(feature) === true;
  }

  fail(reason: string, section: string): void {
    // Truncated memory reads as zeroes, so an apparent fault of the driver is not the cause.
    if (!this.#memoryGone()) this.broken ??= { reason, section };
  }

  /** Returns whether a descriptor is available; it looks ahead in the ring. */
  #findReady(): boolean {
    if (this.#isAvailable()) return true;
    // Truncated memory reads as zeroes, so a polled ring would not notice it without this check.
    this.#memoryGone();
    return false;
  }

  #isAvailable(): boolean {
    if (this.#ready > 0) return true;
    const { index, wrap } = this.#next;
    this.#ready = this.#look.count(index, wrap, !wrap, this.size);
    return this.#ready > 0;
  }

  /** Takes the next of the chains to resubmit. */
  #again(chain: ChainCursor): boolean {
    if (this.#inflight === undefined || this.#memoryGone()) return false;
    const { resubmit } = this.#inflight;
    const entry = resubmit[resubmit.length - this.#resubmit] ?? 0;
    const wrong = this.#walker.walkAgain(this.#inflight, entry, chain);
    this.parked = wrong === MISSING;
    if (wrong !== undefined) {
      if (!this.parked) this.fail(`chain in flight before: ${wrong.reason}`, wrong.section);
      return false;
    }
    this.#resubmit -= 1;
    this.#accept(chain, entry);
    return true;
  }

  /** Registers the chain that was walked, and sets its id. */
  #accept(chain: ChainCursor, entry: number): void {
    const slot = this.#order?.take(chain.writableBytes === 0) ?? this.#takeSlot();
    this.#bufferIds[slot] = this.#walker.bufferId;
    this.#counts[slot] = this.#walker.count;
    this.#entries[slot] = entry;
    chain.id = slot;
    this.inFlight += 1;
    if (chain.unreachable !== undefined) this.#reports?.unreachable(chain.unreachable);
  }

  #write(slot: number, written: number, maySkip: boolean): void {
    const { index, wrap } = this.#elementOpen ? this.#element : this.#used;
    if (maySkip && !this.#elementOpen) this.#element.copy(this.#used);
    this.#elementOpen = maySkip;
    this.#put(index, wrap, this.#bufferIds[slot] ?? 0, written);
    const count = this.#counts[slot] ?? 1;
    this.#used.advance(count);
    this.#taken -= count;
    if (this.#order !== undefined) return;
    this.#freeSlots[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  /** Writes a used descriptor that is not the first of a batch. */
  #put(index: number, wrap: boolean, id: number, written: number): void {
    const { raw } = this;
    const flags = (wrap ? Available | Used : 0) | (written > 0 ? Write : 0);
    if (this.#held && index !== this.#heldIndex) {
      raw.descriptors[index * 4 + 2] = written;
      raw.descriptors[index * 4 + 3] = id | (flags << 16);
      this.#logDescriptor(index);
    } else {
      this.#held = true;
      this.#heldIndex = index;
      this.#heldId = id;
      this.#heldLength = written;
      this.#heldFlags = flags;
    }
  }

  #publishHeld(): void {
    const { descriptors, descriptors16 } = this.raw;
    const index = this.#heldIndex;
    this.#held = false;
    descriptors[index * 4 + 2] = this.#heldLength;
    descriptors16[index * 8 + 6] = this.#heldId;
    Atomics.store(descriptors16, index * 8 + 7, this.#heldFlags);
    this.#logDescriptor(index);
  }

  #logDescriptor(index: number): void {
    if (this.#log.active) this.#log.mark(this.#descriptorsAt + 16 * index, 16);
  }

  #takeSlot(): number {
    this.#freeCount -= 1;
    return this.#freeSlots[this.#freeCount] ?? 0;
  }

  #publishTracked(inflight: PackedInflight): void {
    for (let i = 0; i < this.#doneCount; i += 1) {
      const slot = this.#doneSlots[i] ?? 0;
      const entry = this.#entries[slot] ?? 0;
      this.#write(slot, this.#doneLengths[i] ?? 0, false);
      inflight.completing(entry, this.#used);
      this.#publishHeld();
      inflight.published(entry, this.#used);
    }
    this.#doneCount = 0;
  }

  /**
   * Returns whether the peer truncated memory. It is checked at the beginning and end of a batch.
   */
  #memoryGone(): boolean {
    if (!this.#space.broken && this.#inflight?.area.broken !== true) return false;
    this.broken ??= MEMORY_GONE;
    return true;
  }
}
