import type { Device } from "../../../src/endpoints/backend/index.ts";
import type { DeviceKind } from "../../../src/endpoints/devices/kind.ts";
import type { Kit } from "../../../src/lab/conformance/index.ts";

/**
 * A kit that plays a device of any type for a front-end without a driver: its configuration space is
 * zeroes, and no chain is ever completed.
 */
export function idleKit(kind: DeviceKind): Kit {
  const { once = [], repeated = [], last = [] } = kind.queues;
  const queues = once.length + repeated.length + last.length;
  return {
    kind,
    rings: [0],
    ring: 0,
    requestRings: () => [0],
    request: () => ({ readable: [], writable: [], wrong: () => undefined }),
    play: () => ({ device: () => idleDevice(kind, queues), close: () => undefined }),
  };
}

function idleDevice(kind: DeviceKind, queues: number): Device {
  const size = kind.config?.sizes[0];
  return {
    type: kind,
    features: 0n,
    maxQueues: queues,
    maxQueueSize: 1024,
    process: () => undefined,
    capabilities: {
      ...(size !== undefined && {
        config: { size, read: (_offset, out) => void out.fill(0), write: () => true },
      }),
      gpu: { setSocket: (fd) => fd.close() },
    },
  };
}
