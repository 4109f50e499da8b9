import type { BackendHooks, BackendOptions } from "../../endpoints/backend/index.ts";
import { aimOf, type FaultUse } from "./fault.ts";

/**
 * The options of a back-end that has these faults. They are put around what the options bring
 * themselves, the first one innermost; each session counts occurrences for itself.
 */
export function applyFaults<O extends BackendOptions>(uses: readonly FaultUse[], options: O): O {
  return uses.reduce(applyFault, options);
}

function applyFault<O extends BackendOptions>(options: O, use: FaultUse): O {
  const { fault } = use;
  const parameter = use.parameter ?? fault.parameter?.standard ?? 0;
  const { device, channel, handler, queue } = options;
  switch (fault.where) {
    case "channel": {
      const wrap: BackendHooks["channel"] = (plain) =>
        fault.wrap(channel?.(plain) ?? plain, aimOf(use), parameter);
      return { ...options, channel: wrap };
    }
    case "handler": {
      const wrap: BackendHooks["handler"] = (request, plain) =>
        fault.wrap(request, handler?.(request, plain) ?? plain, aimOf(use), parameter);
      return { ...options, handler: wrap };
    }
    case "queue": {
      const wrap: BackendHooks["queue"] = (plain) => fault.wrap(queue?.(plain) ?? plain, parameter);
      return { ...options, queue: wrap };
    }
    case "device":
      return { ...options, device: () => fault.wrap(device(), parameter) };
  }
}
