import { FrontendRequest, VirtioFeature } from "../../core/protocol/index.ts";
import type { Fault, HandlerFault } from "./fault.ts";

const DIRTY_LOG = "Migration";

function logFault(
  name: string,
  summary: string,
  target: FrontendRequest,
  change: (handler: Parameters<HandlerFault["wrap"]>[1]) => Parameters<HandlerFault["wrap"]>[1],
): Fault {
  return {
    name,
    summary,
    breaks: DIRTY_LOG,
    where: "handler",
    takesRequest: false,
    wrap: (request, handler) => (request === target ? change(handler) : handler),
  };
}

/** Dirty logs without the pages that were written: a migrated guest goes on with stale memory. */
export const logFaults: readonly Fault[] = [
  logFault(
    "log-nothing",
    "takes the dirty log, and marks nothing in it",
    FrontendRequest.SetLogBase,
    () => () => new Uint8Array(8),
  ),
  logFault(
    "log-rings-only",
    "marks the used rings in the dirty log, and none of the data",
    FrontendRequest.SetFeatures,
    (handler) => (features, incoming) =>
      handler((features as bigint) & ~VirtioFeature.LogAll, incoming),
  ),
];
