import type { GuestBuffer } from "../memory/index.ts";
import type { NotificationControl, RingInspection } from "./roles.ts";
import type { SegmentList } from "./segment-list.ts";
import type { RingParts } from "./types.ts";

/** Adds descriptor chains to a ring. */
export interface ChainSubmitter {
  /** Entries. */
  readonly size: number;
  /**
   * Lays a chain out: the first `readable` segments are device-readable, the rest writable. The
   * device does not see it before {@link ChainPublisher.publish}. Returns false if no room, or the
   * queue is broken.
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
   * @returns how many there was room for
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
  /** Chains that were published and that {@link CompletionSource.poll} has not handed over yet. */
  readonly published: number;
}

/** Completions of a ring. */
export interface CompletionSource {
  /** Chains that were added and that {@link poll} has not handed over yet. */
  readonly outstanding: number;
  /**
   * A lower bound of the completions that {@link poll} will find. It reads the ring only where none
   * is known; only {@link poll} checks them.
   */
  pendingCompletions(): number;
  /**
   * Hands over at most `max` completions.
   *
   * @param done is passed the chain's token and the bytes that the device wrote
   * @returns how many there were
   */
  poll(done: (token: number, written: number) => void, max: number): number;
}

/** The parts of a ring in the driver's memory. */
export interface RingPlacement {
  readonly parts: RingParts;
  /** What the driver writes: descriptors, its own area, indirect tables. */
  readonly written: readonly GuestBuffer[];
}

/** Takes a ring up again after its device stopped, was reset or is gone. */
export interface RingRecovery {
  /** Where the device starts (SET_VRING_BASE). */
  readonly base: number;
  /** Returns whether a device that stopped can be at this base (GET_VRING_BASE). */
  isPossibleBase(base: number): boolean;
  /**
   * Drops every outstanding chain and puts the ring back to its initial state. The device must have
   * been reset (VIRTIO 2.6.1), or never have been started.
   *
   * @param dropped is passed the tokens of the requests that will not complete
   */
  reset(dropped: (token: number) => void): void;
  /**
   * For a device that is gone and has recorded nothing in an in-flight region: makes everything
   * outstanding available again, oldest first, from {@link base} on.
   *
   * @returns false: this ring format cannot do it
   */
  resubmit(): boolean;
}

/** What a driver half counts about its device. */
export interface CompletionChecks {
  /** Completions whose length exceeded the chain's writable bytes; they were cut to that. */
  readonly overlongCompletions: number;
  /** The length that the device gave in the last of those. */
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
