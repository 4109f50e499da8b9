import type { AddressSpace, GuestView } from "./guest-view.ts";
import type { SignalKind } from "../trace/index.ts";
import type { RingRecord } from "./ring-record.ts";

/** A ring of either format that is looked at again and again. */
export interface RingSight {
  /**
   * Looks for chains that were made available or used since the last look.
   *
   * @param us the time; `beforeUs` of the last look
   * @param budget chains that may be described
   * @returns the number of steps that were found; undefined if the ring cannot be read
   */
  look(us: number, beforeUs: number, budget: number): number | undefined;
  /** Returns whether the device asked for a kick behind the chains so far; undefined if that cannot be read. */
  wantsKick(eventIndex: boolean): boolean | undefined;
  /**
   * A kick or a call is about to pass, behind a look.
   *
   * @returns what it is about; undefined if the ring cannot be read
   */
  signalled(signal: SignalKind, eventIndex: boolean): SignalReason | undefined;
}

/** The subject of a kick or a call. */
export interface SignalReason {
  /** Chains made available since the last kick, or used since the last call. */
  readonly chains: number;
  /** True if the receiver had asked to be notified of them. */
  readonly needed: boolean;
}

/** The place of a ring: the three addresses of SET_VRING_ADDR. */
export interface RingPlaces {
  readonly size: number;
  readonly descriptors: number;
  /** Available ring, or driver event area. */
  readonly driver: number;
  /** Used ring, or device event area. */
  readonly device: number;
  /** The space of these addresses. */
  readonly space: AddressSpace;
}

/** The memory that a look reads, and where it records chains. */
export interface Look {
  readonly view: GuestView;
  /** The space of the addresses in descriptors. */
  readonly space: AddressSpace;
  readonly record: RingRecord;
  /** True with VIRTIO_F_IN_ORDER. */
  readonly inOrder: boolean;
}

/** The reasons why chains are counted only. */
export const OVERWRITTEN = "their descriptors were reused before they were looked at";

/** See {@link OVERWRITTEN}. */
export function tooMany(budget: number): string {
  return `more than ${budget} between two looks`;
}
