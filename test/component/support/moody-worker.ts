/** A block device's part in a worker that fails or stalls on request. */
import type { Device, WorkerPlacement } from "../../../src/endpoints/backend/index.ts";
import { createRingServer as createBlockServer } from "../../../src/endpoints/devices/block/device/worker.ts";
import { EventFd, OwnedFd, waitReadable } from "../../../src/core/os/index.ts";
import type { RingServer } from "../../../src/core/runtime/index.ts";
import { capability, withCapabilities } from "../../support/capability.ts";

export interface Mood {
  /** Has to be readable before a chain is served. */
  readonly gate?: number;
  /** Signalled when that is waited for. */
  readonly arrived?: number;
  /** What it does instead of serving the first chain. */
  readonly crash?: "throws" | "exits" | "cannot be made";
}

interface MoodyData extends Mood {
  readonly block: unknown;
}

export function createRingServer(data: unknown): RingServer {
  const { gate, arrived, crash, block } = data as MoodyData;
  if (crash === "cannot be made") throw new Error("out of order");
  const server = createBlockServer(block);
  return {
    serve: (running, budget) => {
      // A chain that arrives behind this look is served in the next round, not past the gate.
      if (!running.queue.hasNext()) return;
      if (crash === "throws") throw new Error("out of order");
      if (crash === "exits") process.exit(3);
      if (arrived !== undefined) EventFd.adopt(new OwnedFd(arrived)).signal();
      if (gate !== undefined) waitReadable(Int32Array.of(gate), new Int32Array(1), -1);
      server.serve(running, budget);
    },
  };
}

/** Has a device's rings served by this module, in the mood that holds when a ring starts. */
export function makeMoody(device: Device, mood: () => Mood): Device {
  const { partFor } = capability(device, "worker");
  const worker: WorkerPlacement = {
    partFor: (index) => {
      const part = partFor(index);
      if (part === undefined) return undefined;
      const data: MoodyData = { ...mood(), block: part.data };
      return { ...part, module: import.meta.url, data };
    },
  };
  return withCapabilities(device, { worker });
}
