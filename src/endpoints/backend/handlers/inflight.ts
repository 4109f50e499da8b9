import { counted, countedRange, ProtocolError, StateError } from "../../../core/base/index.ts";
import { InflightRegion } from "../../../core/memory/index.ts";
import { FrontendRequest, type Inflight, VirtioFeature } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import { ringFormat } from "../../../core/virtqueue/index.ts";
import { enterRegion } from "../inflight-owners.ts";
import type { SessionState } from "../session-state.ts";

/** The region in which rings record requests in flight: made here, kept by the front-end. */
export function answerInflight(
  session: SessionState,
  answerer: HandlerRegistry<"front-end">,
): void {
  answerer.on(FrontendRequest.GetInflightFd, (payload, { replyFds }) => {
    const { numQueues, queueSize } = expectQueues(session, "GET", payload);
    const { description, fd } = InflightRegion.create(numQueues, queueSize, isPacked(session));
    replyFds.push(fd);
    return description;
  });
  answerer.on(FrontendRequest.SetInflightFd, async (payload, { fds }) => {
    const description = expectQueues(session, "SET", payload);
    if (session.vrings.some((vring) => vring.started)) {
      throw new StateError(
        "VHOST_USER_SET_INFLIGHT_FD: a ring has started; stop all rings with VHOST_USER_GET_VRING_BASE first",
      );
    }
    const fd = fds.shift();
    if (fd === undefined) return;
    const region = new InflightRegion(description, fd, isPacked(session));
    session.inflight = region;
    await enterRegion(region);
  });
}

function isPacked({ negotiation }: SessionState): boolean {
  return (negotiation.features & VirtioFeature.RingPacked) !== 0n;
}

function expectQueues(session: SessionState, verb: "GET" | "SET", asked: Inflight): Inflight {
  const { numQueues, queueSize } = asked;
  const { maxQueues, maxQueueSize } = session.device;
  const { isSize, sizes } = ringFormat(isPacked(session));
  if (numQueues >= 1 && numQueues <= maxQueues && isSize(queueSize) && queueSize <= maxQueueSize)
    return asked;
  const request = `VHOST_USER_${verb}_INFLIGHT_FD`;
  throw new ProtocolError(
    `${request}: expected ${countedRange(1, maxQueues, "queue")} of ${sizes} up to ${counted(maxQueueSize, "entry", "entries")}, ` +
      `got ${numQueues} of ${queueSize}`,
    { request, field: numQueues >= 1 && numQueues <= maxQueues ? "queue size" : "num queues" },
  );
}
