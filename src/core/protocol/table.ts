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
 * Every request of a front-end, by number. Encoding, validation, description and documentation use
 * this table; `table/` has its rows by subject.
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

/** The payload of a front-end's request. */
export type PayloadOf<R extends FrontendRequest> = Payload<FrontendTable[R]>;
/** The value of a back-end's own reply; `void` if there is an acknowledgement at most. */
export type ReplyOf<R extends FrontendRequest> = Reply<FrontendTable[R]>;
/**
 * The return value of a handler of a front-end's request: the request's own reply, or its special
 * one.
 */
export type AnswerOf<R extends FrontendRequest> = ReplyOf<R> | SpecialAnswer<FrontendTable[R]>;
/** The payload of a back-end's request. */
export type BackendPayloadOf<R extends BackendRequest> = Payload<BackendTable[R]>;
/** The value of a front-end's own reply; `void` if there is an acknowledgement at most. */
export type BackendReplyOf<R extends BackendRequest> = Reply<BackendTable[R]>;

const specs: Readonly<Record<Direction, ReadonlyMap<number, RequestSpec>>> = {
  "front-end": byNumber(Object.values(frontendRequests)),
  "back-end": byNumber(Object.values(backendRequests)),
};

function byNumber(list: readonly RequestSpec[]): ReadonlyMap<number, RequestSpec> {
  return new Map(list.map((spec) => [spec.number, spec]));
}

/** Returns the row of a request; undefined for a number that the specification does not define. */
export function requestSpec(direction: Direction, number: number): RequestSpec | undefined {
  return specs[direction].get(number);
}

/** The conditions that decide whether and how a request is answered. */
export interface ReplyContext {
  /** Protocol features that were acknowledged. */
  readonly protocolFeatures: bigint;
  /** True if the request had need_reply set. */
  readonly needReply: boolean;
  /** True between POSTCOPY_LISTEN and POSTCOPY_END. */
  readonly postcopy?: boolean;
}

/** The reply that is due. */
export interface DueReply {
  readonly rule: ReplyRule;
  readonly codec: Codec<unknown>;
  readonly descriptors: Bounds;
}

/**
 * Returns the reply that the specification demands in this situation; its rule is `none` if there
 * must not be any. Some peers deviate: libvhost-user acknowledges without REPLY_ACK, and QEMU waits
 * for the requests marked `alwaysAsked`.
 */
export function dueReply(spec: RequestSpec, context: ReplyContext): DueReply {
  const { reply } = spec;
  const { special } = reply;
  const acked = (feature: bigint): boolean => (context.protocolFeatures & feature) !== 0n;
  if (special?.when === "log-shmfd" && acked(ProtocolFeature.LogShmfd)) {
    return { ...special, rule: "own" };
  }
  // With the empty table the front-end confirms the mapped regions. It requests an ordinary
  // acknowledgement, if any.
  if (special?.when === "postcopy" && context.postcopy && !context.needReply) {
    return { ...special, rule: "own" };
  }
  if (reply.rule === "own") return reply;
  const asked = context.needReply && (acked(ProtocolFeature.ReplyAck) || reply.alwaysAsked);
  return { codec: reply.codec, descriptors: reply.descriptors, rule: asked ? "ack" : "none" };
}
