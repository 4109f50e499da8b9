import type { SpanList } from "../../memory/index.ts";
import { MISSING } from "../chain.ts";
import { CompletionOrder } from "../in-order.ts";
import { PackedInflight } from "../inflight/packed-inflight.ts";
import { RingHealth } from "../ring-health.ts";
import type { PackedRingWords } from "../ring-words.ts";
import { NO_RING_LOG, type RingLog } from "../ring-log.ts";
import type { DeviceQueue } from "../device-roles.ts";
import type { ChainCursor, DeviceQueueOptions, QueueFault, VringState } from "../types.ts";
import { PackedChainWalker } from "./chain-walker.ts";
import { PackedEventSuppression } from "./event-suppression.ts";
import { packedRing, RingPosition } from "./layout.ts";
import { RingLook } from "./ring-look.ts";
import { UsedDescriptors } from "./used-descriptors.ts";

/**
 * The device half of a packed virtqueue, VIRTIO 2.8.
 *
 * Ordering. Completions are published by `UsedDescriptors`. What is available is looked for by an
 * atomic load, and from there on by plain ones with a full barrier behind them (`RingLook`):
 * descriptors are read after that. Flags, then the driver's event area (publish), and our event area,
 * then flags (enableNotifications), are atomic store-then-load pairs: the full barriers that the
 * specification asks for.
 */
export class PackedDeviceQueue implements DeviceQueue {
  readonly size: number;
  readonly raw: PackedRingWords;
  inFlight = 0;
  parked = false;
  readonly #health: RingHealth;
  readonly #events: PackedEventSuppression;
  readonly #log: RingLog;
  /** Guest address of the device event area. */
  readonly #eventAt: number;
  readonly #walker: PackedChainWalker;
  readonly #inflight: PackedInflight | undefined;
  /** Number of chains in flight at the previous back-end that must still be resubmitted. */
  #resubmit = 0;
  /** The position of the driver's next chain. */
  readonly #next: RingPosition;
  readonly #used: UsedDescriptors;
  /** Number of descriptors from #next on that are known to be available. */
  #ready = 0;
  readonly #look: RingLook;
  /** Assigns the slots with VIRTIO_F_IN_ORDER. */
  readonly #order: CompletionOrder | undefined;
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
    this.#health = new RingHealth(space, inflight, reports);
    this.raw = packedRing(size, memory);
    this.#log = log ?? NO_RING_LOG;
    this.#eventAt = memory.device.window.guestStart + memory.device.offset;
    this.#events = new PackedEventSuppression(this.raw, "device", features.eventIdx);
    this.#next = new RingPosition(size, base & 0xffff);
    this.#used = new UsedDescriptors(this.raw, memory, base >>> 16, log);
    if (inflight !== undefined) {
      this.#inflight = new PackedInflight(inflight, size, base, this.raw.descriptors16);
      this.#resubmit = this.#inflight.resubmit.length;
      this.#taken = this.#inflight.outstanding;
      if (!this.#inflight.fresh) {
        this.#used.position.copy(this.#inflight.used);
        this.#next.copy(this.#inflight.used);
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
    this.#order = features.inOrder ? new CompletionOrder(size) : undefined;
    this.#doneSlots = new Uint16Array(size);
    this.#doneLengths = new Uint32Array(size);
  }

  next(chain: ChainCursor): boolean {
    if (this.#health.broken !== undefined) return false;
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
    if (busy || this.#health.broken !== undefined || !this.#findReady()) return 0;
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
      for (let i = 0; i < count; i += 1) this.#used.write(this.#bufferIds[i] ?? 0, 0, 1, false);
    } else this.#used.write(this.#bufferIds[count - 1] ?? 0, 0, count, true);
    this.#singles = 0;
    this.#taken -= count;
    this.inFlight -= count;
  }

  hasNext(): boolean {
    return this.#health.broken === undefined && (this.#resubmit > 0 || this.#isAvailable());
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
      if (!this.#used.isHeld || this.#health.memoryGone()) return false;
      this.#used.publish();
    } else {
      if (this.#doneCount === 0 || this.#health.memoryGone()) return false;
      this.#publishTracked(this.#inflight);
    }
    const events = this.#events;
    const wanted = events.wanted(this.#used.position);
    if (events.misused && this.#health.refuses("VIRTIO_RING_F_EVENT_IDX"))
      this.fail("a driver event area with flags 2 without VIRTIO_RING_F_EVENT_IDX", "2.8.10");
    return wanted;
  }

  enableNotifications(): boolean {
    this.#events.enable(this.#next);
    if (this.#log.active) this.#log.mark(this.#eventAt, 4);
    return !this.#isAvailable() && this.#resubmit === 0 && !this.#health.memoryGone();
  }

  disableNotifications(): void {
    this.#events.disable();
    if (this.#log.active) this.#log.mark(this.#eventAt, 4);
  }

  state(): VringState {
    return { size: this.size, base: ((this.#used.position.half << 16) | this.#next.half) >>> 0 };
  }

  get broken(): QueueFault | undefined {
    return this.#health.broken;
  }

  tolerates(feature: string): boolean {
    return this.#health.tolerates(feature);
  }

  fail(reason: string, section: string): void {
    this.#health.fail(reason, section);
  }

  /** Returns whether a descriptor is available; it looks ahead in the ring. */
  #findReady(): boolean {
    if (this.#isAvailable()) return true;
    // Truncated memory reads as zeroes, so a polled ring would not notice it without this check.
    this.#health.memoryGone();
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
    if (this.#inflight === undefined || this.#health.memoryGone()) return false;
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
    if (chain.unreachable !== undefined) this.#health.unreachable(chain.unreachable);
  }

  #write(slot: number, written: number, maySkip: boolean): void {
    const count = this.#counts[slot] ?? 1;
    this.#used.write(this.#bufferIds[slot] ?? 0, written, count, maySkip);
    this.#taken -= count;
    if (this.#order !== undefined) return;
    this.#freeSlots[this.#freeCount] = slot;
    this.#freeCount += 1;
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
      inflight.completing(entry, this.#used.position);
      this.#used.publish();
      inflight.published(entry, this.#used.position);
    }
    this.#doneCount = 0;
  }
}
