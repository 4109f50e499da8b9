import type { Codec } from "../codec.ts";
import { acknowledgement } from "../payloads/u64.ts";

/** A smallest and a largest number. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** A field with an invalid value. */
export interface FieldFault {
  readonly field: string;
  readonly expected: string;
  readonly actual: string;
}

/**
 * The rule by which a request is answered. `ack`: with REPLY_ACK and need_reply only, by a number
 * that is zero for success. `own`: always, by a reply of its own, which is also the
 * acknowledgement.
 */
export type ReplyRule = "none" | "ack" | "own";

/** A reply that replaces the usual one under a certain condition. */
export interface SpecialReply<A = unknown> {
  /** The condition: an acknowledged protocol feature, or a phase of a migration. */
  readonly when: "log-shmfd" | "postcopy";
  readonly codec: Codec<A>;
  readonly descriptors: Bounds;
}

/** The reply to a request. */
export interface ReplySpec<A = unknown> {
  readonly rule: ReplyRule;
  readonly codec: Codec<A>;
  readonly descriptors: Bounds;
  /** Returns the exact number of descriptors for this value. */
  descriptorsFor?(value: A): number;
  check?(value: A): FieldFault | undefined;
  readonly special?: SpecialReply;
  /**
   * QEMU sets need_reply here and waits even without REPLY_ACK. So a back-end should always reply
   * to this request, and a front-end should wait for the reply.
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
  /**
   * The specification only demands that {@link protocol} was offered: a back-end serves the request
   * then.
   */
  readonly offerSuffices?: true;
  /** Protocol features that must not have been acknowledged. */
  readonly without?: bigint;
}

/** The rules of one request. */
export interface RequestSpec<Q = unknown, A = unknown> {
  readonly number: number;
  /** The specification's name, e.g. `VHOST_USER_GET_FEATURES`. */
  readonly name: string;
  readonly payload: Codec<Q>;
  readonly reply: ReplySpec<A>;
  /** Descriptors that come with the request. */
  readonly descriptors: Bounds;
  /** Returns the exact number of descriptors for this payload. */
  descriptorsFor?(value: Q): number;
  /**
   * The name of its descriptors, or of those of its reply, in traces: `kick.#`, with `#` for the ring
   * and `*` for a free number.
   */
  readonly carries?: string;
  check?(value: Q): FieldFault | undefined;
  readonly requires: Requirement;
  /** The states in which the request may be sent, if they are restricted. */
  readonly state?: string;
  /** Heading of the specification that describes it. */
  readonly section: string;
  readonly summary: string;
  /** True if the specification deprecates the request. */
  readonly deprecated?: true;
}

/** Rows by the names that the constants of their numbers have. */
export type RequestTable = Readonly<Record<string, RequestSpec>>;

export const noDescriptors: Bounds = { min: 0, max: 0 };
export const oneDescriptor: Bounds = { min: 1, max: 1 };
export const maybeDescriptor: Bounds = { min: 0, max: 1 };
/** Needs no feature. */
export const always: Requirement = {};

/** A reply that is an acknowledgement, sent on request. */
export type AckReply = ReplySpec<bigint> & { readonly rule: "ack" };
export const ack: AckReply = {
  rule: "ack",
  codec: acknowledgement,
  descriptors: noDescriptors,
};
export const askedAck: AckReply = { ...ack, alwaysAsked: true };

/** A reply that is always sent. */
export type OwnReply<A> = ReplySpec<A> & { readonly rule: "own" };
export function own<A>(
  codec: Codec<A>,
  more: Partial<Omit<ReplySpec<A>, "rule" | "codec">> = {},
): OwnReply<A> {
  return { descriptors: noDescriptors, ...more, rule: "own", codec };
}
