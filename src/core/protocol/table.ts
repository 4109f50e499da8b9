import type { Codec, CodecValue } from "./codec.ts";
import type { BackendRequest, Direction, FrontendRequest } from "./requests.ts";
import { ProtocolFeature } from "./protocol-features.ts";
import { backendRequests } from "./table/backend.ts";
import { deviceRequests } from "./table/device.ts";
import { memoryRequests } from "./table/memory.ts";
import { sessionRequests } from "./table/session.ts";
import type { Bounds, ReplyRule, RequestSpec } from "./table/spec.ts";
import { vringRequests } from "./table/vrings.ts";

/**
 * Every request of a front-end, by number. Encoding, validation, description and the documentation
 * all come from here; `table/` holds the rows by subject.
 */
export const frontendRequests = {
  ...sessionRequests,
  ...memoryRequests,
  ...vringRequests,
  ...deviceRequests,
} satisfies Record<FrontendRequest, RequestSpec>;

export { backendRequests };

type FrontendTable = typeof frontendRequests;
type BackendTable = typeof backendRequests;

type Payload<S> = S extends { payload: infer C } ? CodecValue<C> : never;
type SpecialAnswer<S> = S extends { reply: { special: { codec: infer C } } }
  ? CodecValue<C>
  : never;
type Reply<S> = S extends { reply: { rule: "own"; codec: infer C } } ? CodecValue<C> : void;

/** What a front-end's request carries. */
export type PayloadOf<R extends FrontendRequest> = Payload<FrontendTable[R]>;
/** What a back-end answers of its own; `void` where there is an acknowledgement at most. */
export type ReplyOf<R extends FrontendRequest> = Reply<FrontendTable[R]>;
/** What serves a front-end's request returns: its own reply, or the one that a condition brings about. */
export type AnswerOf<R extends FrontendRequest> = ReplyOf<R> | SpecialAnswer<FrontendTable[R]>;
/** What a back-end's request carries. */
export type BackendPayloadOf<R extends BackendRequest> = Payload<BackendTable[R]>;
/** What a front-end answers of its own; `void` where there is an acknowledgement at most. */
export type BackendReplyOf<R extends BackendRequest> = Reply<BackendTable[R]>;

const specs: Readonly<Record<Direction, ReadonlyMap<number, RequestSpec>>> = {
  "front-end": byNumber(Object.values(frontendRequests)),
  "back-end": byNumber(Object.values(backendRequests)),
};

function byNumber(list: readonly RequestSpec[]): ReadonlyMap<number, RequestSpec> {
  return new Map(list.map((spec) => [spec.number, spec]));
}

/** The row of a request, `undefined` for a number that the specification does not define. */
export function requestSpec(direction: Direction, number: number): RequestSpec | undefined {
  return specs[direction].get(number);
}

/** What decides whether and how a request is answered. */
export interface ReplyContext {
  /** Protocol features that were acknowledged. */
  readonly protocolFeatures: bigint;
  /** The request carried need_reply. */
  readonly needReply: boolean;
  /** POSTCOPY_LISTEN was received and POSTCOPY_END was not. */
  readonly postcopy?: boolean;
}

/** The reply that is due. */
export interface DueReply {
  readonly rule: ReplyRule;
  readonly codec: Codec<unknown>;
  readonly descriptors: Bounds;
}

/**
 * Which reply the specification demands in this situation; rule `none` when there must not be any.
 * Peers deviate: libvhost-user acknowledges without REPLY_ACK, and see `alwaysAsked`.
 */
export function dueReply(spec: RequestSpec, context: ReplyContext): DueReply {
  const { reply } = spec;
  const { special } = reply;
  const acked = (feature: bigint): boolean => (context.protocolFeatures & feature) !== 0n;
  if (special?.when === "log-shmfd" && acked(ProtocolFeature.LogShmfd)) {
    return { ...special, rule: "own" };
  }
  // The front-end's confirmation of the mapped table asks for an ordinary acknowledgement, if any.
  if (special?.when === "postcopy" && context.postcopy && !context.needReply) {
    return { ...special, rule: "own" };
  }
  if (reply.rule === "own") return reply;
  const asked = context.needReply && (acked(ProtocolFeature.ReplyAck) || reply.alwaysAsked);
  return { codec: reply.codec, descriptors: reply.descriptors, rule: asked ? "ack" : "none" };
}
