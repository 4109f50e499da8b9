import type {
  AddressSpace,
  BufferSource,
  GuestBuffer,
  InflightArea,
  MemoryView,
  SpanList,
} from "../memory/index.ts";
import type { RingLog } from "./ring-log.ts";

/** Feature bits that change how a ring is driven. */
export interface RingFeatures {
  /** VIRTIO_RING_F_EVENT_IDX */
  readonly eventIdx: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_RING_PACKED: the format of the ring. */
  readonly packed?: boolean | undefined;
  /** VIRTIO_F_IN_ORDER: chains are used in the order in which they were made available. */
  readonly inOrder?: boolean | undefined;
}

/** The three parts of a virtqueue as memory of this process. */
export interface RingMemory {
  readonly descriptors: MemoryView;
  /** Driver area: the available ring of a split queue. */
  readonly driver: MemoryView;
  /** Device area: the used ring of a split queue. */
  readonly device: MemoryView;
}

/** The positions of a ring, in the form of GET_VRING_BASE and SET_VRING_BASE. */
export interface VringState {
  /** Number of entries. */
  readonly size: number;
  /**
   * Split: the next available index, free running. Packed: bits 0 to 14 the position of the next
   * available descriptor, 15 its wrap counter, 16 to 31 the same of the next used one.
   */
  readonly base: number;
}

/**
 * The reports of a device half about its driver. They are for people: once per session is enough.
 */
export interface DriverReports {
  /**
   * Reports a feature that the driver uses and did not acknowledge, or that was not offered.
   *
   * @param feature the name of the feature
   * @returns false if its use must be refused
   */
  tolerates(feature: string): boolean;
  /**
   * Reports a request with a buffer outside of shared memory. The request fails, and the ring
   * continues.
   */
  unreachable(fault: QueueFault): void;
}

/** The parts and settings of a device half. */
export interface DeviceQueueOptions {
  readonly size: number;
  readonly memory: RingMemory;
  readonly space: AddressSpace;
  readonly features: RingFeatures;
  /** The position to continue from (SET_VRING_BASE). */
  readonly base: number;
  /**
   * Records the requests in flight. Requests that it already contains are resubmitted, and the ring
   * continues behind them, whatever {@link base} says.
   */
  readonly inflight?: InflightArea | undefined;
  /** Logs writes to the ring. Default: they are not logged. */
  readonly log?: RingLog | undefined;
  /**
   * Reports about the driver. Default: unacknowledged features are refused, and nothing is
   * reported.
   */
  readonly reports?: DriverReports | undefined;
}

/** The parts and settings of a driver half. */
export interface DriverQueueOptions {
  readonly size: number;
  /** Allocates the ring's parts, zeroed. */
  readonly memory: BufferSource;
  readonly features: RingFeatures;
  /** The first index of a split ring, as if it had run before. Default 0. */
  readonly base?: number | undefined;
  /**
   * Number of segments in an indirect table; a longer chain uses descriptors of the ring. Default
   * 8.
   */
  readonly indirectSegments?: number | undefined;
}

/** The buffers with the parts of a driver's ring, for SET_VRING_ADDR. */
export type RingParts = Readonly<Record<keyof RingMemory, GuestBuffer>>;

/** One descriptor chain as the device sees it. The cursor is reused: copy what must outlive it. */
export interface ChainCursor {
  /** Identifies the chain in `DeviceQueue.complete`. */
  id: number;
  /** The readable spans, then the writable ones. */
  readonly spans: SpanList;
  /** Number of readable spans. */
  readableSpans: number;
  /** Bytes that the device may read. */
  readableBytes: number;
  /** Bytes that the device may write. */
  writableBytes: number;
  /**
   * The fault of a chain with a buffer outside of shared memory. Its bytes count, and their spans
   * have no window. The device fails the request without executing any part of it.
   */
  unreachable: QueueFault | undefined;
}

/** The rule that the other side broke, so that a ring is no longer served. */
export interface QueueFault {
  /** Describes the fault, with the values. */
  readonly reason: string;
  /** VIRTIO section of the rule. */
  readonly section: string;
}
