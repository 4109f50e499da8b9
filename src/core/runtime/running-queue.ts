import type { ServedQueue } from "../virtqueue/index.ts";

/** A running ring as its device uses it. */
export interface RunningQueue {
  readonly index: number;
  readonly queue: ServedQueue;
  /** True if the ring runs. While it does not, no chain may be taken. */
  readonly active: boolean;
  /**
   * True once the session has ended: the ring may belong to another back-end by now, so no chain may
   * be completed.
   */
  readonly closed: boolean;
  /**
   * Publishes completions that were made outside of the call that serves the ring, and calls the
   * driver if it wants that. It has no effect once the ring has stopped.
   */
  publish(): void;
  /** Schedules another call that serves the ring. It has no effect once the ring has stopped. */
  wake(): void;
}
