import type { BackendSession } from "../../../../endpoints/backend/index.ts";
import { ProtocolError } from "../../../../core/base/index.ts";
import { findDeviceKind } from "../../../../endpoints/devices/registry.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";

/** A ring index has 8 bits. */
const MAX_QUEUES = 256;

const { GetQueueNum, SetVringCall, SetVringErr } = FrontendRequest;

/** Explains in one line why a front-end left, as far as its last actions show it. */
export function describeDeparture(session: BackendSession, reason: Error): string {
  const { closedBy, lastRequest, refusal, ringStarted } = session.history;
  // Otherwise this side closed the connection, and the reason says why.
  if (closedBy !== "peer") return `front-end left: ${reason.message}${remedy(session, reason)}`;
  if (refusal !== undefined)
    return `front-end left after a refusal: ${refusal.message}${remedy(session, refusal)}`;
  if (wantedMoreQueues(session))
    return `front-end left after it read the number of queues, ${offered(session)}`;
  const version1 = (session.features & VirtioFeature.Version1) !== 0n;
  if (lastRequest !== undefined && !ringStarted && !version1) {
    return (
      "front-end left before it started a ring: VIRTIO_F_VERSION_1 is not offered, which most " +
      "front-ends need; see --features and --without"
    );
  }
  return `front-end left: ${reason.message}`;
}

/** Returns the remedy for a ring that does not exist. */
function remedy({ device }: BackendSession, error: Error): string {
  if (!(error instanceof ProtocolError) || error.details.field !== "index") return "";
  return device.maxQueues < MAX_QUEUES ? "; offer more with --queues" : "";
}

/**
 * QEMU compares its number of queues with what GET_QUEUE_NUM returned at once; that of a network
 * device once the first pair has its call and error descriptors, before any features.
 */
function wantedMoreQueues({ device, history, negotiation }: BackendSession): boolean {
  const { lastRequest } = history;
  if (lastRequest === GetQueueNum) return true;
  const isPrepared = lastRequest === SetVringCall || lastRequest === SetVringErr;
  return (
    findDeviceKind(device.type.name)?.queues.counted === "repetitions" &&
    isPrepared &&
    negotiation.features === 0n &&
    negotiation.has(ProtocolFeature.Mq)
  );
}

function offered({ device: { type, maxQueues }, capabilities }: BackendSession): string {
  if (maxQueues === MAX_QUEUES)
    return `${maxQueues}: if it needs more, give it fewer (QEMU: num-queues=)`;
  const { counted, once = [] } = findDeviceKind(type.name)?.queues ?? {};
  const which = once.length === 0 ? "" : ` (with ${once.join(" and ")})`;
  const count =
    counted === "repetitions"
      ? `${capabilities.network?.queuePairs} (pairs)`
      : `${maxQueues}${which}`;
  return `${count}: if it needs more, offer them with --queues`;
}
