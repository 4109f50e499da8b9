import { needsEvent } from "../../base/index.ts";
import type { SplitRingWords } from "../ring-words.ts";
import { NO_NOTIFICATION } from "./layout.ts";

/**
 * Notifications of one half of a split ring (VIRTIO 2.7.7 and 2.7.10): those that it wants, and those
 * that the other half wants. Each half writes its wishes to its own ring, as flags or, with
 * VIRTIO_RING_F_EVENT_IDX, as the index at which it wants the next notification.
 *
 * Ordering. The stores and loads are `Atomics`: with the index that is stored before {@link wanted},
 * or loaded after {@link enable}, each is a store-then-load pair, the full barrier that the
 * specification asks for.
 */
export class SplitEventSuppression {
  readonly #eventIdx: boolean;
  readonly #own: Uint16Array;
  readonly #ownEvent: number;
  readonly #other: Uint16Array;
  readonly #otherEvent: number;
  /** The index at the last decision; undefined before the first one, which always notifies. */
  #decided: number | undefined;

  /** @param decided the index at which the ring begins; left out, the first decision notifies */
  constructor(
    ring: SplitRingWords,
    half: "driver" | "device",
    eventIdx: boolean,
    decided?: number,
  ) {
    const { available, used16, usedEventIndex, availEventIndex } = ring;
    const isDriver = half === "driver";
    this.#eventIdx = eventIdx;
    this.#own = isDriver ? available : used16;
    this.#ownEvent = isDriver ? usedEventIndex : availEventIndex;
    this.#other = isDriver ? used16 : available;
    this.#otherEvent = isDriver ? availEventIndex : usedEventIndex;
    this.#decided = decided;
  }

  /** Returns whether the other half wants a notification of everything up to the index `now`. */
  wanted(now: number): boolean {
    if (!this.#eventIdx) return (Atomics.load(this.#other, 0) & NO_NOTIFICATION) === 0;
    const event = Atomics.load(this.#other, this.#otherEvent);
    const before = this.#decided;
    this.#decided = now;
    return before === undefined || needsEvent(event, now, before);
  }

  /** Asks for a notification once the other half passes the index `next`. */
  enable(next: number): void {
    if (this.#eventIdx) Atomics.store(this.#own, this.#ownEvent, next);
    else Atomics.store(this.#own, 0, 0);
  }

  /** Asks for no notifications. */
  disable(next: number): void {
    // With EVENT_IDX the flags stay 0; an index just passed is not passed again for 65535 entries.
    if (this.#eventIdx) Atomics.store(this.#own, this.#ownEvent, (next - 1) & 0xffff);
    else Atomics.store(this.#own, 0, NO_NOTIFICATION);
  }

  /** The ring begins again at this index. */
  restart(decided: number): void {
    this.#decided = decided;
  }
}
