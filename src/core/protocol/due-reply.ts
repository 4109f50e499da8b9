import type { Codec } from "./codec.ts";
import { ProtocolFeature } from "./protocol-features.ts";
import type { Bounds, ReplyRule, RequestSpec } from "./table/spec.ts";

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
