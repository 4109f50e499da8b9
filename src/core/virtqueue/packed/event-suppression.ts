import type { PackedRingWords } from "../ring-words.ts";
import { EventFlag, packedNeedsEvent, type RingPosition } from "./layout.ts";

/**
 * Notifications of one half of a packed ring (VIRTIO 2.8.10): those that it wants, and those that the
 * other half wants. Each half writes its wishes to its event area: all, none or, with
 * VIRTIO_RING_F_EVENT_IDX, the one at a position.
 *
 * Ordering. The stores and loads are `Atomics`: with the flags that are stored before {@link wanted},
 * or loaded after {@link enable}, each is a store-then-load pair, the full barrier that the
 * specification asks for.
 */
export class PackedEventSuppression {
  /** True once the other half has named a position without VIRTIO_RING_F_EVENT_IDX. */
  misused = false;
  readonly #size: number;
  readonly #eventIdx: boolean;
  readonly #own: Uint16Array;
  readonly #other: Uint16Array;
  /** The index at the last decision; undefined before the first one, which always notifies. */
  #decided: number | undefined;

  /** @param decided the index at which the ring begins; left out, the first decision notifies */
  constructor(
    ring: PackedRingWords,
    half: "driver" | "device",
    eventIdx: boolean,
    decided?: number,
  ) {
    const { size, driverEvent, deviceEvent } = ring;
    this.#size = size;
    this.#eventIdx = eventIdx;
    this.#own = half === "driver" ? driverEvent : deviceEvent;
    this.#other = half === "driver" ? deviceEvent : driverEvent;
    this.#decided = decided;
  }

  /** Returns whether the other half wants a notification of everything in front of the position `now`. */
  wanted(now: RingPosition): boolean {
    const flags = Atomics.load(this.#other, 1) & 3;
    const before = this.#decided;
    this.#decided = now.index;
    if (flags !== EventFlag.Descriptor) return flags !== EventFlag.Disable;
    if (!this.#eventIdx) {
      this.misused = true;
      return true;
    }
    const event = Atomics.load(this.#other, 0);
    return before === undefined || packedNeedsEvent(event, now, before, this.#size);
  }

  /** Asks for a notification once the other half passes the position `next`. */
  enable(next: RingPosition): void {
    if (this.#eventIdx) {
      Atomics.store(this.#own, 0, next.half);
      Atomics.store(this.#own, 1, EventFlag.Descriptor);
    } else {
      Atomics.store(this.#own, 1, EventFlag.Enable);
    }
  }

  /** Asks for no notifications. */
  disable(): void {
    Atomics.store(this.#own, 1, EventFlag.Disable);
  }

  /** The ring begins again at this index. */
  restart(decided: number): void {
    this.#decided = decided;
  }
}
