import type { RingWords } from "./ring-words.ts";
import type { QueueFault } from "./types.ts";

/** Event suppression: whether this half wants notifications (a driver calls, a device kicks). */
export interface NotificationControl {
  /**
   * Asks for a notification at the next completion (driver) or available chain (device).
   *
   * @returns false: there is one already, look again
   */
  enableNotifications(): boolean;
  /** Asks for no notifications, for polling. */
  disableNotifications(): void;
}

/** What both halves of a ring make visible. */
export interface RingInspection {
  /** Entries. */
  readonly size: number;
  /** The words of the ring, for tests that break its rules. */
  readonly raw: RingWords;
  /** The rule that the other side broke; the ring is not used any more. */
  readonly broken: QueueFault | undefined;
}
