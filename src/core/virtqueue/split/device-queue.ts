import { counted, u16Distance } from "../../base/index.ts";
import type { SpanList } from "../../memory/index.ts";
import { CompletionOrder } from "../in-order.ts";
import { MISSING } from "../chain.ts";
import { SplitInflight } from "../inflight/split-inflight.ts";
import { RingHealth } from "../ring-health.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { DeviceQueue } from "../device-roles.ts";
import type { ChainCursor, DeviceQueueOptions, QueueFault, VringState } from "../types.ts";
import { ChainWalker } from "./chain-walker.ts";
import { SplitEventSuppression } from "./event-suppression.ts";
import { splitRing } from "./layout.ts";
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
  readonly #health: RingHealth;
  readonly #walker: ChainWalker;
  readonly #eventIdx: boolean;
  readonly #events: SplitEventSuppression;
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

  /** @throws {QueueError} size or memory do not make a split ring; see `SplitInflight` */
  constructor({ size, memory, space, features, base, inflight, log, reports }: DeviceQueueOptions) {
    this.size = size;
    this.#health = new RingHealth(space, inflight, reports);
    this.raw = splitRing(size, memory);
    this.#log = new UsedLog(log, this.raw, memory);
    this.#mask = size - 1;
    this.#walker = new ChainWalker(this.raw, space, features.indirect, reports);
    this.#eventIdx = features.eventIdx;
    this.#events = new SplitEventSuppression(this.raw, "device", features.eventIdx);
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
    if (this.#health.broken !== undefined) return false;
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
    if (busy || this.#health.broken !== undefined || !this.#findAvailable()) return 0;
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
      this.#health.broken === undefined &&
      (this.#resubmit > 0 || this.raw.available[1] !== this.#next)
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
    if (this.#used === this.#published || this.#health.memoryGone()) return false;
    this.#element = this.#used;
    Atomics.store(this.raw.used16, 1, this.#used);
    this.#log.published(this.#published, this.#used);
    this.#published = this.#used;
    this.#inflight?.published(this.#used);
    return this.#events.wanted(this.#used);
  }

  enableNotifications(): boolean {
    this.#events.enable(this.#next);
    this.#log.suppressed(this.#eventIdx);
    return (
      Atomics.load(this.raw.available, 1) === this.#next &&
      this.#resubmit === 0 &&
      !this.#health.memoryGone()
    );
  }

  disableNotifications(): void {
    this.#events.disable(this.#next);
    this.#log.suppressed(this.#eventIdx);
  }

  state(): VringState {
    return { size: this.size, base: this.#next };
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

  /** Returns whether a chain is available; it reads the ring only if none is known. */
  #findAvailable(): boolean {
    if (this.#next !== this.#seen) return true;
    this.#seen = Atomics.load(this.raw.available, 1);
    if (this.#health.memoryGone()) return false;
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
    if (this.#inflight === undefined || this.#health.memoryGone()) return false;
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
    if (chain.unreachable !== undefined) this.#health.unreachable(chain.unreachable);
  }

  #walk(head: number, chain: ChainCursor): boolean {
    const fault = this.#walker.walk(head, chain);
    this.parked = fault === MISSING;
    if (fault === undefined) return true;
    if (!this.parked) this.fail(`chain ${head}: ${fault.reason}`, fault.section);
    return false;
  }
}
