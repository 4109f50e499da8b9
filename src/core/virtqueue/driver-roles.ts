import type { GuestBuffer } from "../memory/index.ts";
import type { NotificationControl, RingInspection } from "./roles.ts";
import type { SegmentList } from "./segment-list.ts";
import type { RingParts } from "./types.ts";

/** Adds descriptor chains to a ring. */
export interface ChainSubmitter {
  /** Number of entries. */
  readonly size: number;
  /**
   * Adds a chain: the first `readable` segments are device-readable, the rest writable. The device
   * does not see it before {@link ChainPublisher.publish}. Returns false if the ring is full or
   * broken.
   *
   * @param token passed to the callback of {@link CompletionSource.poll}; 0 to 2^31 - 1
   */
  add(segments: SegmentList, readable: number, token: number): boolean;
}

/** The batched fast path for single-descriptor chains. */
export interface BatchSubmitter {
  /**
   * Adds each of the segments as a chain of its own, as {@link ChainSubmitter.add} does, in order.
   *
   * @param readable whether the device reads them all, or writes them all
   * @param tokens one for each segment
   * @returns the number of chains that were added
   */
  addSingles(segments: SegmentList, readable: boolean, tokens: Int32Array): number;
}

/** Makes the added chains available to the device. */
export interface ChainPublisher {
  /**
   * Makes the added chains available: all of them, or the `most` oldest.
   *
   * @returns whether the device wants a kick
   */
  publish(most?: number): boolean;
  /**
   * Number of published chains that {@link CompletionSource.poll} has not reported as completed.
   */
  readonly published: number;
}

/** Completions of a ring. */
export interface CompletionSource {
  /** Number of added chains that {@link poll} has not reported as completed. */
  readonly outstanding: number;
  /**
   * Returns a lower bound of the completions that {@link poll} will find. It reads the ring only if
   * no completion is known; only {@link poll} checks them.
   */
  pendingCompletions(): number;
  /**
   * Reports at most `max` completions.
   *
   * @param done called with the chain's token and the number of bytes that the device wrote
   * @returns the number of completions
   */
  poll(done: (token: number, written: number) => void, max: number): number;
}

/** The parts of a ring in the driver's memory. */
export interface RingPlacement {
  readonly parts: RingParts;
  /** The memory that the driver writes: descriptors, its own area, indirect tables. */
  readonly written: readonly GuestBuffer[];
}

/** Continues with a ring after its device stopped, was reset or died. */
export interface RingRecovery {
  /** The position at which the device starts (SET_VRING_BASE). */
  readonly base: number;
  /** Returns whether a device that stopped can be at this base (GET_VRING_BASE). */
  isPossibleBase(base: number): boolean;
  /**
   * Drops every outstanding chain and resets the ring to its initial state. The device must have
   * been reset (VIRTIO 2.6.1), or never have been started.
   *
   * @param dropped called with the token of each request that will not complete
   */
  reset(dropped: (token: number) => void): void;
  /**
   * Makes all outstanding chains available again, oldest first, from {@link base} on. For a device
   * that died without an in-flight region.
   *
   * @returns false if this ring format cannot do it
   */
  resubmit(): boolean;
}

/** Counters of rules that the device broke without damage. */
export interface CompletionChecks {
  /**
   * Number of completions whose length exceeded the chain's writable bytes; they were cut to that.
   */
  readonly overlongCompletions: number;
  /** The length in the last of these completions. */
  readonly overlongLength: number;
}

/** The driver half of a virtqueue. Nothing in it allocates per request or waits. */
export interface DriverQueue
  extends
    ChainSubmitter,
    BatchSubmitter,
    ChainPublisher,
    CompletionSource,
    NotificationControl,
    RingPlacement,
    RingRecovery,
    CompletionChecks,
    RingInspection {}
