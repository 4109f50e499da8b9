import type { BackendSession } from "../../../../endpoints/backend/index.ts";
import { ProtocolError } from "../../../../core/base/index.ts";
import { MAX_BLOCK_QUEUES } from "../../../../endpoints/devices/block/layout.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../core/protocol/index.ts";

const { GetQueueNum, SetVringCall, SetVringErr } = FrontendRequest;

/** Why a front-end left, in one line, as far as what it did last shows it. */
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

/** For a ring that does not exist. */
function remedy({ device }: BackendSession, error: Error): string {
  if (!(error instanceof ProtocolError) || error.details.field !== "index") return "";
  return device.maxQueues < MAX_BLOCK_QUEUES ? "; offer more with --queues" : "";
}

/**
 * QEMU compares its number of queues with what GET_QUEUE_NUM returned at once; that of a network
 * card once the first pair has its call and error descriptors, before any features.
 */
function wantedMoreQueues({ device, history, negotiation }: BackendSession): boolean {
  const { lastRequest } = history;
  if (lastRequest === GetQueueNum) return true;
  const isPrepared = lastRequest === SetVringCall || lastRequest === SetVringErr;
  return (
    device.type === "net" &&
    isPrepared &&
    negotiation.features === 0n &&
    negotiation.has(ProtocolFeature.Mq)
  );
}

function offered({ device: { type, maxQueues }, capabilities }: BackendSession): string {
  if (type === "block" && maxQueues === MAX_BLOCK_QUEUES)
    return `${maxQueues}: if it needs more, give it fewer (QEMU: num-queues=)`;
  const count =
    type === "net"
      ? `${capabilities.network?.queuePairs} (pairs)`
      : type === "fs"
        ? `${maxQueues} (one of high priority)`
        : maxQueues;
  return `${count}: if it needs more, offer them with --queues`;
}
