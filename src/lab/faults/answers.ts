import { StateError } from "../../core/base/index.ts";
import { type Config, FrontendRequest, type VringState } from "../../core/protocol/index.ts";
import type { Fault, HandlerFault } from "./fault.ts";

/** A fault that changes what one request is answered with. */
function answerFault<T>(
  target: FrontendRequest,
  shape: Pick<HandlerFault, "name" | "summary" | "breaks">,
  change: (value: T) => T,
): Fault {
  return {
    ...shape,
    where: "handler",
    takesRequest: false,
    wrap: (request, handler) => {
      if (request !== target) return handler;
      return async (payload, incoming) => change((await handler(payload, incoming)) as T);
    },
  };
}

function configFault(
  name: string,
  summary: string,
  change: (data: Uint8Array) => Uint8Array,
): Fault {
  return answerFault<Config | undefined>(
    FrontendRequest.GetConfig,
    { name, summary, breaks: "Virtio device config space" },
    (value) => value && { ...value, data: change(value.data) },
  );
}

/** Well-formed replies with contents that cannot be right. */
export const answerFaults: readonly Fault[] = [
  {
    name: "refuse",
    summary: "refuses the request: replies with 1, or closes if no acknowledgement was requested",
    where: "handler",
    takesRequest: true,
    wrap: (request, handler, aim) => (payload, incoming) => {
      if (!aim.hits(request)) return handler(payload, incoming);
      throw new StateError("refused by the fault that was asked for");
    },
  },
  answerFault<bigint>(
    FrontendRequest.GetFeatures,
    {
      name: "features-garbage",
      summary: "offers features 0x5a5a5a5a5a5a5a5a, without VIRTIO_F_VERSION_1",
      breaks: "Message specification",
    },
    () => 0x5a5a_5a5a_5a5a_5a5an,
  ),
  answerFault<bigint>(
    FrontendRequest.GetQueueNum,
    {
      name: "queue-num-zero",
      summary: "says that it has no queues",
      breaks: "Multiple queue support",
    },
    () => 0n,
  ),
  answerFault<bigint>(
    FrontendRequest.GetQueueNum,
    {
      name: "queue-num-huge",
      summary: "says that it has 2^64 - 1 queues",
      breaks: "Multiple queue support",
    },
    () => 2n ** 64n - 1n,
  ),
  configFault("config-short", "answers GET_CONFIG with 4 bytes fewer than were asked for", (data) =>
    data.subarray(0, -4),
  ),
  configFault("config-long", "answers GET_CONFIG with 8 bytes more than were asked for", (data) => {
    const longer = new Uint8Array(data.length + 8);
    longer.set(data);
    return longer;
  }),
  answerFault<VringState>(
    FrontendRequest.GetVringBase,
    {
      name: "base-wrong",
      summary: "answers GET_VRING_BASE with an index far away",
      breaks: "Ring states",
    },
    ({ index, num }) => ({ index, num: num ^ 0x4000 }),
  ),
];
