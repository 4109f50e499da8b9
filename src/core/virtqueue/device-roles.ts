import type { SpanList } from "../memory/index.ts";
import type { NotificationControl, RingInspection } from "./roles.ts";
import type { ChainCursor, QueueFault, VringState } from "./types.ts";

/** The chains that a driver made available. */
export interface ChainSource {
  /** Number of entries. */
  readonly size: number;
  /** Takes the next available chain. Returns false if there is none, or the queue is broken. */
  next(chain: ChainCursor): boolean;
  /**
   * Returns whether a chain is available that was not taken yet. It does not enable notifications.
   */
  hasNext(): boolean;
}

/** Completes the chains that {@link ChainSource.next} returned. */
export interface ChainCompleter {
  /**
   * Completes a chain, in any order: with VIRTIO_F_IN_ORDER the completion waits for the earlier
   * ones. The driver does not see it before {@link DeviceQueue.publish}.
   *
   * @param written bytes that the device wrote into the chain's writable part
   */
  complete(id: number, written: number): void;
}

/** The batched fast path for chains of one readable descriptor. */
export interface BatchSource {
  /**
   * Takes the next chains, at most `max`, as long as each is one readable span of memory. Span i is
   * that of chain i. To be called only while no other chain is in flight.
   *
   * @returns the number of chains; after 0 take the next chain, if any, by {@link ChainSource.next}
   */
  takeSingles(spans: SpanList, max: number): number;
  /** Completes every chain of {@link takeSingles}, with nothing written. */
  completeSingles(): void;
}

/** The faults of the other side of a ring. */
export interface FaultControl {
  /** The rule that the driver broke. The ring is no longer served. */
  readonly broken: QueueFault | undefined;
  /** Marks the queue broken, for a rule that only the caller can check. */
  fail(reason: string, section: string): void;
}

/** The part of a ring that its device uses. */
export interface ServedQueue extends ChainSource, ChainCompleter, BatchSource, FaultControl {
  /**
   * Returns whether a feature is served that the driver uses and did not acknowledge;
   * `DriverReports.tolerates` decides.
   */
  tolerates(feature: string): boolean;
}

/** The part of a ring that the loop which runs it uses. */
export interface ScheduledQueue
  extends Pick<ChainSource, "hasNext">, NotificationControl, FaultControl {
  /**
   * Makes completions visible to the driver.
   *
   * @returns whether the driver wants a call
   */
  publish(): boolean;
  /**
   * True if {@link ChainSource.next} did not return a chain because an IOTLB translation is
   * missing. The chain stays in the ring, and the next call walks it again.
   */
  readonly parked: boolean;
}

/** The part of a ring that the session which owns it uses. */
export interface StoppableQueue {
  /** Number of chains that were taken and not completed. */
  readonly inFlight: number;
  /** Returns the position of the ring, for GET_VRING_BASE. */
  state(): VringState;
}

/** The device half of a virtqueue. Nothing in it allocates per request or waits. */
export interface DeviceQueue extends ServedQueue, ScheduledQueue, StoppableQueue, RingInspection {}
