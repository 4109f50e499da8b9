import { createHistogram } from "node:perf_hooks";
import { counted } from "../../../core/base/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import { firstRead } from "../../kits/block/workloads/index.ts";
import { CONNECTION_PHASES, timeConnection } from "../../workloads/index.ts";
import { expectEqual } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { percentilesUs, record } from "../percentiles.ts";
import { startTarget } from "./target.ts";

/** Connections that only negotiate. */
const RECONNECTS = 500;
const MESSAGES = 5000;
/** Outstanding requests when they are pipelined. */
const PIPELINE = 32;
const MEMORY = { size: 64 << 10 };

/** Measures the rate of new sessions and of messages. */
export const connectionCases: readonly TestCase[] = [
  {
    title: "Connection latency is measured, phase by phase",
    run: async (context) => {
      const { path } = await startTarget(context);
      const { connections } = context.options;
      const histograms = CONNECTION_PHASES.map((phase) => ({
        phase,
        histogram: createHistogram(),
      }));
      for (let i = 0; i < connections; i += 1) {
        const timing = await timeConnection(path, firstRead, {
          signal: context.signal,
          timeoutMs: 5000,
        });
        for (const { phase, histogram } of histograms) record(histogram, timing[phase]);
      }
      context.note(counted(connections, "connection"));
      for (const { phase, histogram } of histograms) {
        context.note(`${phase.padEnd(16)} ${percentilesUs(histogram)}`);
      }
    },
  },
  {
    title: "Rapid reconnects all succeed",
    run: async (context) => {
      const { path } = await startTarget(context);
      const latency = createHistogram();
      const start = performance.now();
      for (let i = 0; i < RECONNECTS; i += 1) {
        const since = performance.now();
        const client = await Client.connect(path, { memory: MEMORY, signal: context.signal });
        await client.close();
        record(latency, (performance.now() - since) * 1e6);
      }
      const seconds = (performance.now() - start) / 1000;
      expectEqual("sessions", latency.count, RECONNECTS);
      context.note(
        `${counted((RECONNECTS / seconds).toFixed(0), "session")} a second, each ${percentilesUs(latency)}`,
      );
    },
  },
  {
    title: "Messages per second are measured",
    run: async (context) => {
      const { path } = await startTarget(context);
      await using client = await Client.connect(path, { memory: MEMORY, signal: context.signal });
      const oneByOne = await rate(async () => {
        for (let i = 0; i < MESSAGES; i += 1) await client.requests.getFeatures();
      });
      const pipelined = await rate(async () => {
        for (let i = 0; i < MESSAGES; i += PIPELINE) {
          const batch = Array.from({ length: Math.min(PIPELINE, MESSAGES - i) });
          await Promise.all(batch.map(async () => client.requests.getFeatures()));
        }
      });
      context.note(
        `one by one ${oneByOne} a second, ${PIPELINE} outstanding ${pipelined} a second`,
      );
    },
  },
];

async function rate(run: () => Promise<void>): Promise<string> {
  const start = performance.now();
  await run();
  return (MESSAGES / ((performance.now() - start) / 1000)).toFixed(0);
}
