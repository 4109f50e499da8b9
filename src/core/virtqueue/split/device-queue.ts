import { counted, needsEvent, u16Distance } from "../../base/index.ts";
import type { AddressSpace, SpanList } from "../../memory/index.ts";
import { CompletionOrder } from "../in-order.ts";
import { MISSING } from "../chain.ts";
import { SplitInflight } from "../inflight/split-inflight.ts";
import { MEMORY_GONE } from "../memory-gone.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { DeviceQueue } from "../device-roles.ts";
import type {
  ChainCursor,
  DeviceQueueOptions,
  DriverReports,
  QueueFault,
  VringState,
} from "../types.ts";
import { ChainWalker } from "./chain-walker.ts";
import { NO_INTERRUPT, NO_NOTIFY, splitRing } from "./layout.ts";
import { UsedLog } from "./used-log.ts";

/**
 * The device half of a split virtqueue, VIRTIO 2.7.
 *
 * Ordering. `Atomics` operations are sequentially consistent, so each store-then-load pair below is
 * the full barrier that the specification asks for: used idx, then used_event (publish); avail_event,
 * then available idx (enableNotifications). Descriptors are plain loads after the atomic load of the available idx
 * that announced them; used elements are plain stores before the atomic store of the used idx.
 */
export class SplitDeviceQueue implements DeviceQueue {
  readonly size: number;
  readonly raw: SplitRingWords;
  inFlight = 0;
  parked = false;
  broken: QueueFault | undefined;
  readonly #space: AddressSpace;
  readonly #reports: DriverReports | undefined;
  readonly #walker: ChainWalker;
  readonly #eventIdx: boolean;
  readonly #log: UsedLog;
  readonly #mask: number;
  /** Next available entry to take. */
  #next: number;
  /** The available idx as it was last read. */
  #seen: number;
  /** The used idx behind all completions; publish() makes it visible to the driver. */
  #used: number;
  #published: number;
  /** Used idx of the next used element. With IN_ORDER it trails `#used` while one element covers a batch. */
  #element: number;
  /**
   * Orders completions with VIRTIO_F_IN_ORDER: the id of a chain is then its slot, which has the
   * head.
   */
  readonly #order: CompletionOrder | undefined;
  /** Chains of a batch in flight; their heads are the first ones below. */
  #singles = 0;
  readonly #heads: Uint16Array;
  readonly #inflight: SplitInflight | undefined;
  /** Number of chains in flight at the previous back-end that must still be resubmitted. */
  #resubmit = 0;
  /** Used idx at the last decision about a call; undefined before the first, which always calls. */
  #decided: number | undefined;

  /** @throws {QueueError} size or memory do not make a split ring; see `SplitInflight` */
  constructor({ size, memory, space, features, base, inflight, log, reports }: DeviceQueueOptions) {
    this.size = size;
    this.#reports = reports;
    this.raw = splitRing(size, memory);
    this.#log = new UsedLog(log, this.raw, memory);
    this.#mask = size - 1;
    this.#space = space;
    this.#walker = new ChainWalker(this.raw, space, features.indirect, reports);
    this.#eventIdx = features.eventIdx;
    // The used index continues from memory: it is the only record of what was already completed.
    this.#used = Atomics.load(this.raw.used16, 1);
    this.#published = this.#used;
    this.#element = this.#used;
    this.#order = features.inOrder ? new CompletionOrder(size) : undefined;
    this.#heads = new Uint16Array(size);
    this.#next = base & 0xffff;
    if (inflight !== undefined) {
      const available = Atomics.load(this.raw.available, 1);
      this.#inflight = new SplitInflight(inflight, size, this.#used, available);
      this.#resubmit = this.#inflight.resubmit.length;
      if (!this.#inflight.fresh) this.#next = (this.#used + this.#resubmit) & 0xffff;
    }
    this.#seen = this.#next;
  }

  next(chain: ChainCursor): boolean {
    if (this.broken !== undefined) return false;
    if (this.#resubmit > 0) return this.#again(chain);
    if (!this.#findAvailable()) return false;
    const head = this.raw.available[2 + (this.#next & this.#mask)] ?? 0;
    if (!this.#walk(head, chain)) return false;
    this.#inflight?.taken(head);
    this.#next = (this.#next + 1) & 0xffff;
    this.#accept(head, chain);
    return true;
  }

  takeSingles(spans: SpanList, max: number): number {
    spans.clear();
    const busy = this.inFlight > 0 || this.#inflight !== undefined;
    this.parked = false;
    if (busy || this.broken !== undefined || !this.#findAvailable()) return 0;
    const most = Math.min(max, u16Distance(this.#seen, this.#next));
    const count = this.#walker.singles(this.#next, most, spans, this.#heads);
    this.#next = (this.#next + count) & 0xffff;
    this.#singles = count;
    this.inFlight += count;
    return count;
  }

  completeSingles(): void {
    const count = this.#singles;
    if (count === 0) return;
    if (this.#order === undefined) {
      for (let i = 0; i < count; i += 1) this.#putUsed(this.#heads[i] ?? 0, 0, false, 1);
    } else this.#putUsed(this.#heads[count - 1] ?? 0, 0, true, count);
    this.#singles = 0;
    this.inFlight -= count;
  }

  /** A plain load is enough: the ring is used only after an atomic one. */
  hasNext(): boolean {
    return (
      this.broken === undefined && (this.#resubmit > 0 || this.raw.available[1] !== this.#next)
    );
  }

  complete(id: number, written: number): void {
    const order = this.#order;
    if (order === undefined) {
      this.#finish(id, written, false);
      return;
    }
    if (order.pass(id)) this.#finish(this.#heads[id] ?? 0, written, order.maySkip(id));
    else if (!order.finish(id, written)) {
      this.#finish(id, written, false);
      return;
    }
    for (let slot = order.next(); slot >= 0; slot = order.next()) {
      this.#finish(this.#heads[slot] ?? 0, order.written(slot), order.maySkip(slot));
    }
  }

  #finish(head: number, written: number, maySkip: boolean): void {
    this.#putUsed(head, written, maySkip, 1);
    this.#inflight?.completed(head);
    this.inFlight -= 1;
  }

  /** Writes a used element, for `count` chains. */
  #putUsed(head: number, written: number, maySkip: boolean, count: number): void {
    const slot = 1 + 2 * (this.#element & this.#mask);
    this.raw.used32[slot] = head;
    this.raw.used32[slot + 1] = written;
    this.#used = (this.#used + count) & 0xffff;
    if (!maySkip) this.#element = this.#used;
  }

  publish(): boolean {
    if (this.#used === this.#published || this.#memoryGone()) return false;
    this.#element = this.#used;
    Atomics.store(this.raw.used16, 1, this.#used);
    this.#log.published(this.#published, this.#used);
    this.#published = this.#used;
    this.#inflight?.published(this.#used);
    if (!this.#eventIdx) return (Atomics.load(this.raw.available, 0) & NO_INTERRUPT) === 0;
    const event = Atomics.load(this.raw.available, this.raw.usedEventIndex);
    const before = this.#decided;
    this.#decided = this.#used;
    return before === undefined || needsEvent(event, this.#used, before);
  }

  enableNotifications(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.raw.used16, this.raw.availEventIndex, this.#next);
    } else {
      Atomics.store(this.raw.used16, 0, 0);
    }
    this.#log.suppressed(this.#eventIdx);
    return (
      Atomics.load(this.raw.available, 1) === this.#next &&
      this.#resubmit === 0 &&
      !this.#memoryGone()
    );
  }

  disableNotifications(): void {
    // With EVENT_IDX the flags stay 0; an event index just passed is not crossed again for 65535
    // entries.
    if (this.#eventIdx) {
      Atomics.store(this.raw.used16, this.raw.availEventIndex, (this.#next - 1) & 0xffff);
    } else {
      Atomics.store(this.raw.used16, 0, NO_NOTIFY);
    }
    this.#log.suppressed(this.#eventIdx);
  }

  state(): VringState {
    return { size: this.size, base: this.#next };
  }

  tolerates(feature: string): boolean {
    return this.#reports?.tolerates(feature) === true;
  }

  fail(reason: string, section: string): void {
    // Truncated memory reads as zeroes, so an apparent fault of the driver is not the cause.
    if (!this.#memoryGone()) this.broken ??= { reason, section };
  }

  /** Returns whether a chain is available; it reads the ring only if none is known. */
  #findAvailable(): boolean {
    if (this.#next !== this.#seen) return true;
    this.#seen = Atomics.load(this.raw.available, 1);
    if (this.#memoryGone()) return false;
    const waiting = u16Distance(this.#seen, this.#next);
    if (waiting + this.inFlight <= this.size) return waiting > 0;
    this.fail(
      `expected at most ${counted(this.size, "chain")} available or in use, got ${waiting + this.inFlight} (available idx ${this.#seen})`,
      "2.7.6",
    );
    return false;
  }

  /** Takes the next of the chains to resubmit. */
  #again(chain: ChainCursor): boolean {
    if (this.#inflight === undefined || this.#memoryGone()) return false;
    const { resubmit } = this.#inflight;
    const head = resubmit[resubmit.length - this.#resubmit] ?? 0;
    if (!this.#walk(head, chain)) return false;
    this.#resubmit -= 1;
    this.#accept(head, chain);
    return true;
  }

  /** Registers the chain that was walked, and sets its id. */
  #accept(head: number, chain: ChainCursor): void {
    if (this.#order !== undefined) {
      chain.id = this.#order.take(chain.writableBytes === 0);
      this.#heads[chain.id] = head;
    }
    this.inFlight += 1;
    if (chain.unreachable !== undefined) this.#reports?.unreachable(chain.unreachable);
  }

  #walk(head: number, chain: ChainCursor): boolean {
    const fault = this.#walker.walk(head, chain);
    this.parked = fault === MISSING;
    if (fault === undefined) return true;
    if (!this.parked) this.fail(`chain ${head}: ${fault.reason}`, fault.section);
    return false;
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
