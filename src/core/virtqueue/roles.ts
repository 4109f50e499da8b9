import type { RingWords } from "./ring-words.ts";
import type { QueueFault } from "./types.ts";

/** Event suppression: whether this half wants notifications (a driver calls, a device kicks). */
export interface NotificationControl {
  /**
   * Requests a notification at the next completion (driver) or available chain (device).
   *
   * @returns false if there is one already, so that the caller must look again
   */
  enableNotifications(): boolean;
  /** Disables notifications, for polling. */
  disableNotifications(): void;
}

/** Inspection of a ring, in both halves. */
export interface RingInspection {
  /** Number of entries. */
  readonly size: number;
  /** The words of the ring, for tests that break its rules. */
  readonly raw: RingWords;
  /** The rule that the other side broke. The ring is no longer used. */
  readonly broken: QueueFault | undefined;
}
