import type { SpanList } from "../memory/index.ts";
import type { NotificationControl, RingInspection } from "./roles.ts";
import type { ChainCursor, QueueFault, VringState } from "./types.ts";

/** The chains that a driver made available. */
export interface ChainSource {
  /** Entries. */
  readonly size: number;
  /** Takes the next available chain. Returns false if there is none, or the queue is broken. */
  next(chain: ChainCursor): boolean;
  /**
   * Returns whether a chain is available that was not taken yet. It does not enable notifications.
   */
  hasNext(): boolean;
}

/** Takes the chains of {@link ChainSource.next} back as completed. */
export interface ChainCompleter {
  /**
   * Completes a chain, in any order: where the ring has an order, the completion waits for those
   * before it. Not visible to the driver before {@link DeviceQueue.publish}.
   *
   * @param written bytes that the device wrote into the chain's writable part
   */
  complete(id: number, written: number): void;
}

/** The batched fast path for chains of one readable descriptor. */
export interface BatchSource {
  /**
   * Takes the next chains, at most `max`, as long as each is one readable span of memory. Span i is
   * that of chain i. Only while no other chain is in flight.
   *
   * @returns how many; 0 if take the next chain by {@link ChainSource.next}, if there is one
   */
  takeSingles(spans: SpanList, max: number): number;
  /** Completes every chain of {@link takeSingles}, with nothing written. */
  completeSingles(): void;
}

/** How a half reports that the other side broke a rule. */
export interface FaultControl {
  /** The rule that the driver broke; the ring is not served any more. */
  readonly broken: QueueFault | undefined;
  /** Marks the queue broken, for a rule that only the caller can judge. */
  fail(reason: string, section: string): void;
}

/** A ring as the device behind it uses it. */
export interface ServedQueue extends ChainSource, ChainCompleter, BatchSource, FaultControl {
  /**
   * Returns whether a feature is served that the driver uses without having acknowledged it: see
   * `DriverReports.tolerates`.
   */
  tolerates(feature: string): boolean;
}

/** A ring as the loop that runs it uses it. */
export interface ScheduledQueue
  extends Pick<ChainSource, "hasNext">, NotificationControl, FaultControl {
  /**
   * Makes completions visible to the driver.
   *
   * @returns whether the driver wants a call
   */
  publish(): boolean;
  /**
   * The chain that {@link ChainSource.next} did not return waits for a translation of the IOTLB. It
   * stays in the ring, and the next call looks at it again.
   */
  readonly parked: boolean;
}

/** A ring as the session that owns it uses it. */
export interface StoppableQueue {
  /** Chains that were taken and not completed. */
  readonly inFlight: number;
  /** Where the ring is, for GET_VRING_BASE. */
  state(): VringState;
}

/** The device half of a virtqueue. Nothing in it allocates per request or waits. */
export interface DeviceQueue extends ServedQueue, ScheduledQueue, StoppableQueue, RingInspection {}
