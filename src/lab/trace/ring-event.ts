import type { JsonObject, SessionEvent } from "./base-event.ts";

/** The fields of all events of a ring, which are seen in shared memory and not on a socket. */
export interface RingPlace extends SessionEvent {
  readonly ring: number;
  /** VIRTIO's name of the queue, of a known device type. */
  readonly queue?: string | undefined;
}

/** The fields of a chain. */
export interface TracedChain {
  /** Chains of a ring are counted from 0 in the order in which they were made available. */
  readonly chain: number;
  /** Index of the first descriptor; of a packed ring the buffer id. */
  readonly head: number;
  /** Number of descriptors, those of an indirect table included. */
  readonly descriptors: number;
  /** Bytes for the device to read. */
  readonly readable: number;
  /** Bytes that the device may write. */
  readonly writable: number;
  /** The request in words of its device type. */
  readonly text: string;
  readonly fields: JsonObject;
  /** True if the chain breaks a rule, or if the request failed. */
  readonly failed: boolean;
  /** Chains that are available and not used, after the event. */
  readonly depth: number;
}

/** The driver made a chain available. */
export interface ChainAvailableEvent extends RingPlace, TracedChain {
  readonly type: "chain-available";
}

/** The device used a chain. */
export interface ChainUsedEvent extends RingPlace, TracedChain {
  readonly type: "chain-used";
  /** Bytes that the device has written by its own account. */
  readonly written: number;
  /** Microseconds that the chain was available, by the moments at which this was seen. */
  readonly latencyUs: number;
  /** The true latency differs by at most this: a ring is looked at again and again, not watched. */
  readonly marginUs: number;
}

/** Chains that are counted and were not seen: their descriptors were reused, or there was no time. */
export interface ChainsMissedEvent extends RingPlace {
  readonly type: "chains-missed";
  readonly chains: number;
  readonly reason: string;
}

/** Chains are available, and the device uses none of them. Once until it does. */
export interface RingStalledEvent extends RingPlace {
  readonly type: "ring-stalled";
  /** Chains that are available and not used. */
  readonly chains: number;
  /** Microseconds since the oldest was seen. */
  readonly waitedUs: number;
  /** The state of the kick. */
  readonly reason: string;
}

/** A ring is followed from now on, or no longer. */
export interface RingViewEvent extends RingPlace {
  readonly type: "ring-view";
  /** `ended`: the session goes on, and the ring is followed again once it is started again. */
  readonly state: "followed" | "paused" | "ended";
  readonly reason: string;
  /** Chains that were made available and used since the ring was followed, seen or not; at its end. */
  readonly totals?: { readonly available: number; readonly used: number } | undefined;
}

/** A kick or a call: the driver notified the device, or the device the driver. */
export type SignalKind = "kick" | "call";

/** A kick or a call passed. */
export interface RingSignalEvent extends RingPlace {
  readonly type: "ring-signal";
  readonly signal: SignalKind;
  /** Signals since the last such event: the kernel merges those that were not read in time. */
  readonly signals: number;
  /** True for VRING_KICK and VRING_CALL, which are messages. */
  readonly inBand?: true | undefined;
  /**
   * Chains made available since the last kick, or used since the last call; absent if the ring was
   * not looked at.
   */
  readonly chains?: number | undefined;
  /**
   * True if there were such chains and the receiver had asked to be notified of them, as its memory
   * says in the moment of the signal; absent if the ring was not looked at.
   */
  readonly needed?: boolean | undefined;
  /** The fault that was injected, for example `injected: dropped`. */
  readonly action?: string | undefined;
}

/** An event of a ring. */
export type RingEvent =
  | ChainAvailableEvent
  | ChainUsedEvent
  | ChainsMissedEvent
  | RingStalledEvent
  | RingViewEvent
  | RingSignalEvent;

/** Returns whether an event is one of a ring. */
export function isRingEvent(event: { readonly type: string }): event is RingEvent {
  return RING_EVENTS.has(event.type);
}

const RING_EVENTS: ReadonlySet<string> = new Set<RingEvent["type"]>([
  "chain-available",
  "chain-used",
  "chains-missed",
  "ring-stalled",
  "ring-view",
  "ring-signal",
]);
