import { createHistogram } from "node:perf_hooks";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  type BlockQueue,
} from "../../../endpoints/devices/block/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import {
  type BlockPassResult,
  type BlockWork,
  runBlockPass,
} from "../../kits/block/workloads/index.ts";
import type { RingMode } from "../../../core/runtime/index.ts";
import type { TestContext } from "../context.ts";
import { expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { percentilesUs } from "../percentiles.ts";
import { startTarget } from "./target.ts";

const LATENCY_BYTES = 4096;
const LATENCY_REQUESTS = 4096;
const LARGE_BYTES = 65_536;
const SEED = 7;

async function withQueue(
  context: TestContext,
  path: string,
  { depth, transferBytes, ringMode }: { depth: number; transferBytes: number; ringMode: RingMode },
  use: (queue: BlockQueue, size: number) => Promise<void>,
): Promise<void> {
  await using client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: depth * (transferBytes + 4096) + (1 << 20) },
    signal: context.signal,
  });
  const driver = await BlockDriver.start(client, { depth, transferBytes, ringMode });
  const [queue] = driver.queues;
  expectThat(queue !== undefined, "a block device with a queue");
  if (queue) await use(queue, driver.size);
}

/** Measures the throughput of data. */
export const throughputCases: readonly TestCase[] = (["poll", "event"] as const).flatMap(
  (ringMode) => [
    {
      title: `Block throughput is measured, completions by ${ringMode}`,
      run: async (context: TestContext) => {
        const { path, builtIn } = await startTarget(context);
        await withQueue(
          context,
          path,
          { depth: 16, transferBytes: LARGE_BYTES, ringMode },
          async (queue, size) => {
            const pass = async (work: BlockWork): Promise<BlockPassResult> =>
              runBlockPass(queue, { work, size, seed: SEED, signal: context.signal });
            // Nothing is written to a device that is not ours.
            if (builtIn) context.note(`write 64 KiB at depth 16: ${mibs(await pass("write"))}`);
            context.note(`read 64 KiB at depth 16: ${mibs(await pass("read"))}`);
          },
        );
      },
    },
    {
      title: `Block latency is measured, completions by ${ringMode}`,
      run: async (context: TestContext) => {
        const { path } = await startTarget(context);
        for (const depth of [1, 32]) {
          await withQueue(
            context,
            path,
            { depth, transferBytes: LATENCY_BYTES, ringMode },
            async (queue, all) => {
              const latency = createHistogram();
              const size = Math.min(all, LATENCY_BYTES * LATENCY_REQUESTS);
              const { requests, seconds } = await runBlockPass(queue, {
                work: "read",
                size,
                seed: SEED,
                latency,
                signal: context.signal,
              });
              const iops = (requests / seconds).toFixed(0);
              context.note(
                `read 4 KiB at depth ${depth}: ${iops} a second, ${percentilesUs(latency)}`,
              );
            },
          );
        }
      },
    },
  ],
);

function mibs({ bytes, seconds }: BlockPassResult): string {
  return `${(bytes / (1 << 20) / seconds).toFixed(0)} MiB/s`;
}
