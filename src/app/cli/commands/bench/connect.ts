import { createHistogram } from "node:perf_hooks";
import { counted } from "../../../../core/base/index.ts";
import { PerSecond } from "../../../../lab/workloads/bench/per-second.ts";
import {
  CONNECTION_PHASES,
  type ConnectionTiming,
  timeConnection,
} from "../../../../lab/workloads/index.ts";
import {
  type BenchReport,
  percentileCurve,
  summarizeLatency,
} from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { type ExecOptions, targetName, withBackend } from "../../exec-backend.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { endOf, publish, publishEarlyEnd, type PublishOptions, readBaseline } from "./publish.ts";

export interface BenchConnectOptions extends PublishOptions, ExecOptions {
  readonly count: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly stallTimeout: number;
}

/** Sessions that are not counted: the program is compiled meanwhile. */
const WARM_UP = 20;

export async function benchConnect(
  socket: string | undefined,
  options: BenchConnectOptions,
  context: Context,
): Promise<void> {
  const { signal, output } = context;
  const workload = { bench: "connect", options: { requests: options.count } };
  const baseline = readBaseline(options, workload);
  const disturbances = new Disturbances();
  const wait = { signal, timeoutMs: options.timeout, stallMs: options.stallTimeout };
  const phases = CONNECTION_PHASES.map((phase) => ({ phase, histogram: createHistogram() }));
  const setUp = createHistogram();
  const perSecond = new PerSecond(undefined);
  let [sessions, begun, start] = [0, 0, performance.now()];
  const session = async (path: string): Promise<ConnectionTiming> => {
    begun += 1;
    output.progress(() => `${begun} of ${counted(WARM_UP + options.count, "session")}`);
    return timeConnection(path, wait);
  };
  const measure = async (path: string): Promise<void> => {
    for (let i = 0; i < WARM_UP; i += 1) await session(path);
    start = performance.now();
    while (sessions < options.count) {
      const timing = await session(path);
      for (const { phase, histogram } of phases) histogram.record(Math.max(1, timing[phase]));
      setUp.record(Math.max(1, timing.setUp));
      sessions += 1;
      perSecond.add(performance.now() - start, 1);
    }
  };
  const reportOf = (failure: unknown): BenchReport => {
    const seconds = sessions === 0 ? 0 : (performance.now() - start) / 1000;
    return {
      schemaVersion: 1,
      kind: "bench",
      ...workload,
      target: targetName(socket, options),
      ...endOf(failure, signal),
      requests: sessions,
      seconds,
      sessionsPerSecond: seconds === 0 ? 0 : sessions / seconds,
      ...(sessions > 0 && {
        phasesUs: Object.fromEntries(
          phases.map(({ phase, histogram }) => [phase, summarizeLatency(histogram)]),
        ),
        latencyUs: summarizeLatency(setUp),
        percentiles: percentileCurve(setUp),
      }),
      perSecond: perSecond.counts,
      environment: describeEnvironment(),
      warnings: disturbances.warnings(),
    };
  };
  const report = await withBackend(socket, options, context, async (backend) => {
    try {
      await measure(backend.socket);
      return reportOf(undefined);
    } catch (error) {
      // Before the first session the target has not been reached yet.
      if (begun <= 1) throw error;
      const message = error instanceof Error ? error.message : String(error);
      const failure = new CommandError(ExitCode.Failed, `session ${begun}: ${message}`, {
        cause: error,
      });
      return publishEarlyEnd(reportOf(failure), failure, options, context);
    }
  });
  publish(report, options, baseline, context);
}
