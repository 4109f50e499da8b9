import { createHistogram } from "node:perf_hooks";
import { counted } from "../../../base/index.ts";
import { CONNECTION_PHASES, timeConnection } from "../../../load/index.ts";
import { type BenchReport, percentileCurve, summarizeLatency } from "../../../report/index.ts";
import type { Context } from "../../context.ts";
import { type ExecOptions, targetName, withBackend } from "../../exec-backend.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { publish, type PublishOptions, readBaseline } from "./publish.ts";

export interface BenchConnectOptions extends PublishOptions, ExecOptions {
  readonly requests: number;
  /** Milliseconds. */
  readonly timeout: number;
}

/** Sessions that are not counted: the program is compiled meanwhile. */
const WARM_UP = 20;

export async function benchConnect(
  socket: string | undefined,
  options: BenchConnectOptions,
  context: Context,
): Promise<void> {
  const { signal, output } = context;
  const baseline = readBaseline(options);
  const disturbances = new Disturbances();
  const wait = { signal, timeoutMs: options.timeout };
  const phases = CONNECTION_PHASES.map((phase) => ({ phase, histogram: createHistogram() }));
  const setUp = createHistogram();
  const seconds = await withBackend(socket, options, context, async (backend) => {
    for (let i = 0; i < WARM_UP; i += 1) await timeConnection(backend.socket, wait);
    const start = performance.now();
    for (let i = 0; i < options.requests; i += 1) {
      const timing = await timeConnection(backend.socket, wait);
      for (const { phase, histogram } of phases) histogram.record(Math.max(1, timing[phase]));
      setUp.record(Math.max(1, timing.setUp));
      output.progress(() => `${i + 1} of ${counted(options.requests, "session")}`);
    }
    return (performance.now() - start) / 1000;
  });
  const report: BenchReport = {
    schemaVersion: 1,
    bench: "connect",
    target: targetName(socket, options),
    options: { requests: options.requests },
    requests: options.requests,
    seconds,
    sessionsPerSecond: options.requests / seconds,
    phasesUs: Object.fromEntries(
      phases.map(({ phase, histogram }) => [phase, summarizeLatency(histogram)]),
    ),
    latencyUs: summarizeLatency(setUp),
    percentiles: percentileCurve(setUp),
    perSecond: [],
    environment: describeEnvironment(),
    warnings: disturbances.warnings(),
  };
  publish(report, options, baseline, context);
}
