import { u16Distance } from "../../base/index.ts";
import type { SplitRingWords } from "../ring-words.ts";
import { NO_RING_LOG, type RingLog } from "../ring-log.ts";
import type { RingMemory } from "../types.ts";

/** Logs the writes of a device half to a used ring. Each call comes after the write. */
export class UsedLog {
  readonly #log: RingLog;
  readonly #ring: SplitRingWords;
  /** Guest address of the used ring. */
  readonly #usedAt: number;

  constructor(log: RingLog = NO_RING_LOG, ring: SplitRingWords, { device }: RingMemory) {
    this.#log = log;
    this.#ring = ring;
    this.#usedAt = device.window.guestStart + device.offset;
  }

  /**
   * Logs the used elements of free-running indices `from` to `to`, and the index that publishes
   * them.
   */
  published(from: number, to: number): void {
    if (!this.#log.active) return;
    const { size } = this.#ring;
    const first = from & (size - 1);
    const count = u16Distance(to, from);
    const upward = Math.min(count, size - first);
    this.#mark(4 + 8 * first, 8 * upward);
    this.#mark(4, 8 * (count - upward));
    this.#mark(2, 2);
  }

  /** Logs avail_event or the flags, by which the device requests kicks. */
  suppressed(eventIdx: boolean): void {
    if (this.#log.active) this.#mark(eventIdx ? 2 * this.#ring.availEventIndex : 0, 2);
  }

  #mark(offset: number, length: number): void {
    this.#log.mark((this.#log.setting.address ?? this.#usedAt) + offset, length);
  }
}
