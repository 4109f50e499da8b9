import { NetSinkDevice } from "../../../../endpoints/devices/net/index.ts";
import {
  benchBackend,
  type BenchBackendOptions,
  type Counting,
} from "../../commands/bench/backend.ts";
import type { Context } from "../../context.ts";

/**
 * Measures our network back-end.
 *
 * @throws {CommandError} the load failed, or nothing was measured
 */
export async function benchNetBackend(
  options: BenchBackendOptions,
  context: Context,
): Promise<void> {
  const measured = {
    type: "net",
    options: {},
    noun: "frame",
    unit: "frames/s",
    rates: (framesPerSecond: number, bytesPerSecond: number) => ({
      framesPerSecond,
      bytesPerSecond,
    }),
    open: () => counting(options.queues),
  };
  await benchBackend(measured, options, context);
}

function counting(queuePairs: number): Counting {
  const devices: NetSinkDevice[] = [];
  return {
    device: () => {
      const device = new NetSinkDevice({ queuePairs });
      devices.push(device);
      return device;
    },
    count: () => {
      const all = devices.map(({ counters }) => counters);
      return {
        requests: all.reduce((sum, { txFrames }) => sum + txFrames, 0),
        bytes: all.reduce((sum, { txBytes }) => sum + txBytes, 0),
      };
    },
    close: () => undefined,
  };
}
