import { asError } from "../../core/base/index.ts";
import {
  dueReply,
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  requestSpec,
  virtioFeatures,
} from "../../core/protocol/index.ts";
import { expectRequirements } from "../../core/session/index.ts";
import type { MessageEvent, TracedSession } from "../trace/index.ts";

/** Header and payload of a message. */
type Sent = Pick<MessageEvent, "header" | "payload">;

/** Returns whether the live session has the features that a request needs. */
export function isNegotiated(step: MessageEvent, { negotiation }: TracedSession): boolean {
  const spec = requestSpec(step.channel, step.header.request);
  // A rule that was broken in the recording is broken again.
  if (spec === undefined || step.violations.length > 0) return true;
  try {
    expectRequirements(spec, negotiation);
    return true;
  } catch (error) {
    asError(error);
    return false;
  }
}

/** The request with features that the live back-end has offered. */
export function adapted(step: MessageEvent, { negotiation }: TracedSession): Sent {
  const { header, payload } = step;
  const { SetFeatures, SetProtocolFeatures } = FrontendRequest;
  if (header.request === SetFeatures && payload.length === 8) {
    return { header, payload: masked(payload, negotiation.offered ?? 0n) };
  }
  if (header.request === SetProtocolFeatures && payload.length === 8) {
    return { header, payload: masked(payload, negotiation.offeredProtocolFeatures) };
  }
  const hasAck = (negotiation.protocolFeatures & ProtocolFeature.ReplyAck) !== 0n;
  const flags = hasAck ? header.flags : header.flags & ~HeaderFlag.NeedReply;
  return { header: { ...header, flags }, payload };
}

/** Returns whether the live session's features make a reply to a request due. */
export function isAnswered(
  step: MessageEvent,
  sent: Sent,
  { negotiation }: TracedSession,
): boolean {
  const spec = requestSpec(step.channel, step.header.request);
  if (spec === undefined) return false;
  const { protocolFeatures, postcopy } = negotiation;
  const needReply = (sent.header.flags & HeaderFlag.NeedReply) !== 0;
  return dueReply(spec, { protocolFeatures, needReply, postcopy }).rule !== "none";
}

function masked(payload: Uint8Array, offered: bigint): Uint8Array {
  return virtioFeatures.encode(virtioFeatures.decode(payload) & offered);
}
