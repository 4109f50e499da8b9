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
  /** Entries. */
  readonly size: number;
  /**
   * Split: the next available index, free running. Packed: bits 0 to 14 the position of the next
   * available descriptor, 15 its wrap counter, 16 to 31 the same of the next used one.
   */
  readonly base: number;
}

/** What a device half says about its driver. Each is for a person: once a session is enough. */
export interface DriverReports {
  /**
   * The driver uses something that it did not acknowledge, or that was not offered.
   *
   * @param feature its name
   * @returns false: the use is to be refused
   */
  tolerates(feature: string): boolean;
  /** A request has a buffer outside of shared memory. It fails, and the ring goes on. */
  unreachable(fault: QueueFault): void;
}

/** What a device half is made of. */
export interface DeviceQueueOptions {
  readonly size: number;
  readonly memory: RingMemory;
  readonly space: AddressSpace;
  readonly features: RingFeatures;
  /** Where to go on (SET_VRING_BASE). */
  readonly base: number;
  /**
   * Records the requests in flight. Those that it records already are resubmitted, and the ring goes
   * on behind it, whatever {@link base} says.
   */
  readonly inflight?: InflightArea | undefined;
  /** Default: what is written into the ring is not logged. */
  readonly log?: RingLog | undefined;
  /** Default: what the driver did not acknowledge is refused, and nothing is reported. */
  readonly reports?: DriverReports | undefined;
}

/** What a driver half is made of. */
export interface DriverQueueOptions {
  readonly size: number;
  /** Where the ring's parts come from, zeroed. */
  readonly memory: BufferSource;
  readonly features: RingFeatures;
  /** Where the indices of a split ring begin, as if it had run before. Default 0. */
  readonly base?: number | undefined;
  /** Segments an indirect table has room for; a longer chain takes descriptors of the ring. Default 8. */
  readonly indirectSegments?: number | undefined;
}

/** Where a driver laid the parts of a ring, for SET_VRING_ADDR. */
export type RingParts = Readonly<Record<keyof RingMemory, GuestBuffer>>;

/** One descriptor chain as the device sees it. The cursor is reused: copy what must outlive it. */
export interface ChainCursor {
  /** Names the chain in `DeviceQueue.complete`. */
  id: number;
  /** The readable spans, then the writable ones. */
  readonly spans: SpanList;
  /** How many of the spans are readable. */
  readableSpans: number;
  /** Bytes that the device may read. */
  readableBytes: number;
  /** Bytes that the device may write. */
  writableBytes: number;
  /**
   * Why a part of the chain cannot be reached: it is in no shared memory. The bytes count, and their
   * spans have no window. The device fails the request and carries out nothing of it.
   */
  unreachable: QueueFault | undefined;
}

/** Why a ring is no longer served: the rule that the other side broke. */
export interface QueueFault {
  /** What was expected and what was found. */
  readonly reason: string;
  /** VIRTIO section of the rule. */
  readonly section: string;
}
