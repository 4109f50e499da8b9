import type { Codec } from "../codec.ts";
import { acknowledgement } from "../payloads/u64.ts";

/** A smallest and a largest number. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** A field that does not hold what it should. */
export interface FieldFault {
  readonly field: string;
  readonly expected: string;
  readonly actual: string;
}

/**
 * When a request is answered: `ack` with REPLY_ACK and need_reply only, by a number that is zero
 * for success; `own` always, by an answer of its own, which then also is the acknowledgement.
 */
export type ReplyRule = "none" | "ack" | "own";

/** A reply that takes the place of the usual one under a certain condition. */
export interface SpecialReply<A = unknown> {
  /** The acknowledged protocol feature, or the phase of a migration, that brings it about. */
  readonly when: "log-shmfd" | "postcopy";
  readonly codec: Codec<A>;
  readonly descriptors: Bounds;
}

/** What comes back. */
export interface ReplySpec<A = unknown> {
  readonly rule: ReplyRule;
  readonly codec: Codec<A>;
  readonly descriptors: Bounds;
  /** Exact number of descriptors that goes with this value. */
  descriptorsFor?(value: A): number;
  check?(value: A): FieldFault | undefined;
  readonly special?: SpecialReply;
  /**
   * QEMU sets need_reply here and waits whatever was negotiated. A front-end should do so as well,
   * a back-end should answer always.
   */
  readonly alwaysAsked?: true;
}

/** Features without which a request must not be sent, as masks; all bits of a mask are needed. */
export interface Requirement {
  /** Virtio features that the back-end offered; they need not be acknowledged. */
  readonly offered?: bigint;
  /** Virtio features that were acknowledged. */
  readonly virtio?: bigint;
  /** Protocol features that were acknowledged. */
  readonly protocol?: bigint;
  /** The specification asks for the offer of {@link protocol} only: a back-end serves it then. */
  readonly offerSuffices?: true;
  /** Protocol features that must not have been acknowledged. */
  readonly without?: bigint;
}

/** Everything that holds for one request. */
export interface RequestSpec<Q = unknown, A = unknown> {
  readonly number: number;
  /** The specification's name, e.g. `VHOST_USER_GET_FEATURES`. */
  readonly name: string;
  readonly payload: Codec<Q>;
  readonly reply: ReplySpec<A>;
  /** Descriptors that come with the request. */
  readonly descriptors: Bounds;
  /** Exact number of descriptors that goes with this payload. */
  descriptorsFor?(value: Q): number;
  check?(value: Q): FieldFault | undefined;
  readonly requires: Requirement;
  /** When the request may be sent, where that is restricted. */
  readonly state?: string;
  /** Heading of the specification that has most to say about it. */
  readonly section: string;
  readonly summary: string;
  /** No longer to be sent. */
  readonly deprecated?: true;
}

export const noDescriptors: Bounds = { min: 0, max: 0 };
export const oneDescriptor: Bounds = { min: 1, max: 1 };
export const maybeDescriptor: Bounds = { min: 0, max: 1 };
/** No feature needed. */
export const always: Requirement = {};

/** Answered by an acknowledgement, if asked for. */
export type AckReply = ReplySpec<bigint> & { readonly rule: "ack" };
export const ack: AckReply = {
  rule: "ack",
  codec: acknowledgement,
  descriptors: noDescriptors,
};
export const askedAck: AckReply = { ...ack, alwaysAsked: true };

/** Always answered. */
export type OwnReply<A> = ReplySpec<A> & { readonly rule: "own" };
export function own<A>(
  codec: Codec<A>,
  more: Partial<Omit<ReplySpec<A>, "rule" | "codec">> = {},
): OwnReply<A> {
  return { descriptors: noDescriptors, ...more, rule: "own", codec };
}
