import type {
  AddressSpace,
  BufferSource,
  GuestBuffer,
  InflightArea,
  MemoryView,
  SpanList,
} from "../memory/index.ts";
import type { RingWords } from "./ring-words.ts";
import type { RingLog } from "./ring-log.ts";
import type { SegmentList } from "./segment-list.ts";

/** Feature bits that change how a ring is driven. */
export interface RingFeatures {
  /** VIRTIO_RING_F_EVENT_IDX */
  readonly eventIdx: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC */
  readonly indirect: boolean;
  /** VIRTIO_F_RING_PACKED: the format of the ring. */
  readonly packed?: boolean | undefined;
  /** VIRTIO_F_IN_ORDER: chains are given back in the order in which they were made available. */
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

/** Where a ring stands, in the form that GET_VRING_BASE and SET_VRING_BASE carry. */
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
   * Where requests in work are noted. What is noted there already is served again, and the ring goes
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
  /** Names the chain in {@link DeviceQueue.complete}. */
  id: number;
  /** The readable pieces, then the writable ones. */
  readonly spans: SpanList;
  /** How many of the pieces are readable. */
  readableSpans: number;
  /** Bytes that the device may read. */
  readableBytes: number;
  /** Bytes that the device may write. */
  writableBytes: number;
  /**
   * Why a part of the chain cannot be reached: it is in no shared memory. The bytes count, and their
   * pieces have no window. The device fails the request and carries nothing of it out.
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

/** The driver's half of a virtqueue. Nothing in here allocates per request or waits. */
export interface DriverQueue {
  readonly size: number;
  /** Requests handed over and not yet given back by {@link poll}. */
  readonly outstanding: number;
  /**
   * Lays a chain out: the first `readable` segments are device-readable, the others writable. Not
   * visible to the device before {@link publish}. False: no room, or the queue is broken.
   *
   * @param token given back by {@link poll}; an integer from 0 to 2^31 - 1
   */
  add(segments: SegmentList, readable: number, token: number): boolean;
  /**
   * Adds each of the segments as a chain of its own, as {@link add} does, in their order.
   *
   * @param readable whether the device reads them all, or writes them all
   * @param tokens one for each segment
   * @returns how many there was room for
   */
  addPieces(segments: SegmentList, readable: boolean, tokens: Int32Array): number;
  /** Makes what was added visible: all of it, or the `most` oldest. True: the device wants a kick. */
  publish(most?: number): boolean;
  /** Chains that the device was shown and that were not given back by {@link poll}. */
  readonly shown: number;
  /**
   * How many completions are known to wait for {@link poll}, at least; looks where none is known. Which
   * chains they are only {@link poll} says, and whether they can be.
   */
  returned(): number;
  /** Hands over at most `max` completions; returns how many. `written` is in bytes. */
  poll(done: (token: number, written: number) => void, max: number): number;
  /** Asks for a call at the next completion. False: there is one already, poll again. */
  arm(): boolean;
  /** Asks for no calls, for polling. */
  disarm(): void;
  /**
   * Forgets what is out, and makes the ring what it was at first. Only while no device has it: it
   * was reset (VIRTIO 2.6.1), or never started.
   *
   * @param dropped is given the tokens of requests that do not complete any more
   */
  reset(dropped: (token: number) => void): void;
  /** Where to start from after the ring was stopped (SET_VRING_BASE). */
  readonly base: number;
  /** Whether a device that has stopped can stand there (GET_VRING_BASE). */
  isPossibleBase(base: number): boolean;
  /**
   * The device is gone and has noted nothing: makes everything outstanding available again, oldest
   * first, from {@link base} on. False: in this format it cannot be done.
   */
  resubmit(): boolean;
  readonly parts: RingParts;
  /** What the driver writes: descriptors, its own area, indirect tables. */
  readonly written: readonly GuestBuffer[];
  /** The words of the ring, for tests that break its rules. */
  readonly raw: RingWords;
  readonly broken: QueueFault | undefined;
  /** Completions whose length was more than the chain's writable bytes; they are cut to that. */
  readonly overlongCompletions: number;
  /** The length of the last of those, as the device has it. */
  readonly overlongLength: number;
}

/** The device's half of a virtqueue. Nothing in here allocates per request or waits. */
export interface DeviceQueue {
  readonly size: number;
  /** Takes the next available chain. False: there is none, or the queue is broken. */
  next(chain: ChainCursor): boolean;
  /**
   * Takes a batch: the next chains, at most `max`, as long as each is one readable piece of memory.
   * Piece i is that of chain i. Only while nothing else is in work.
   *
   * @returns how many; 0: take the next chain by {@link next}, if there is one
   */
  takePieces(pieces: SpanList, max: number): number;
  /** Gives all chains of {@link takePieces} back, as {@link complete} does; nothing was written. */
  completePieces(): void;
  /** Whether the driver made something available that was not taken yet. Asks for nothing. */
  hasNext(): boolean;
  /**
   * Gives a chain back, in any order: where the ring has an order, it waits for those before it.
   * Not visible to the driver before {@link publish}.
   */
  complete(id: number, written: number): void;
  /** Makes completions visible. True: the driver wants a call. */
  publish(): boolean;
  /** Asks for a kick at the next available chain. False: there is one already. */
  arm(): boolean;
  /** Asks for no kicks, for polling. */
  disarm(): void;
  /** Chains taken and not yet given back to the driver. */
  readonly inFlight: number;
  /**
   * The chain that {@link next} did not give waits for a translation of the IOTLB; it was left where
   * it is, and is looked at again by the next call.
   */
  readonly parked: boolean;
  state(): VringState;
  /**
   * For a device whose driver uses a feature that it did not acknowledge: see
   * {@link DriverReports.tolerates}.
   */
  tolerates(feature: string): boolean;
  /** Marks the queue broken: for a device that finds what only it can see. */
  fail(reason: string, section: string): void;
  readonly raw: RingWords;
  readonly broken: QueueFault | undefined;
}
