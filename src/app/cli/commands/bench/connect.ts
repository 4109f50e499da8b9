import { createHistogram } from "node:perf_hooks";
import { asError, counted } from "../../../../core/base/index.ts";
import type { Client } from "../../../../endpoints/frontend/index.ts";
import { expectDevice } from "../../../../lab/probe/expect-device.ts";
import { PerSecond } from "../../../../lab/workloads/bench/per-second.ts";
import {
  CONNECTION_PHASES,
  type ConnectionTiming,
  type FirstRequest,
  timeConnection,
} from "../../../../lab/workloads/index.ts";
import {
  type BenchReport,
  percentileCurve,
  summarizeLatency,
} from "../../../../lab/results/index.ts";
import type { Context } from "../../context.ts";
import { deviceCommands } from "../../devices/registry.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { endOf } from "./publish.ts";
import { runBench } from "./runs.ts";
import type { Measured, TargetOptions } from "./target.ts";

export interface BenchConnectOptions extends TargetOptions {
  readonly count: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly stallTimeout: number;
}

/** Sessions that are not counted: the program is compiled meanwhile. */
const WARM_UP = 20;

/**
 * Runs `bench connect`.
 *
 * @throws {UsageError} an option cannot be combined with several runs
 * @throws {CommandError} a target failed, or the result is worse than the baseline
 */
export async function benchConnect(
  sockets: readonly string[],
  options: BenchConnectOptions,
  context: Context,
): Promise<void> {
  const workload = { bench: "connect", options: { requests: options.count } };
  const first = await firstRequest();
  const measure = async (socket: string, target: string): Promise<Measured> =>
    measureConnect(socket, first, { ...workload, target }, options, context);
  await runBench({ workload, nothing: "no session came up", measure }, sockets, options, context);
}

/** The first device type that has such a request. */
async function firstRequest(): Promise<FirstRequest> {
  for (const { firstRequest: load } of deviceCommands) if (load !== undefined) return load();
  throw new TypeError("no device type has a first request");
}

async function measureConnect(
  path: string,
  first: FirstRequest,
  head: Pick<BenchReport, "bench" | "options" | "target">,
  options: BenchConnectOptions,
  { signal, output }: Context,
): Promise<Measured> {
  const disturbances = new Disturbances();
  const wait = {
    signal,
    timeoutMs: options.timeout,
    stallMs: options.stallTimeout,
    onConnected: async (client: Client) => expectDevice(client, first.device),
  };
  const phases = CONNECTION_PHASES.map((phase) => ({ phase, histogram: createHistogram() }));
  const setUp = createHistogram();
  const perSecond = new PerSecond(undefined);
  let [sessions, begun, start] = [0, 0, performance.now()];
  const session = async (): Promise<ConnectionTiming> => {
    begun += 1;
    output.progress(() => `${begun} of ${counted(WARM_UP + options.count, "session")}`);
    return timeConnection(path, first, wait);
  };
  const measure = async (): Promise<void> => {
    for (let i = 0; i < WARM_UP; i += 1) await session();
    start = performance.now();
    while (sessions < options.count) {
      const timing = await session();
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
      ...head,
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
  try {
    await measure();
    return { report: reportOf(undefined), failure: undefined };
  } catch (error) {
    // Before the first session the target has not been reached yet.
    if (begun <= 1) throw error;
    const message = asError(error).message;
    const failure = new CommandError(ExitCode.Failed, `session ${begun}: ${message}`, {
      cause: error,
    });
    return { report: reportOf(failure), failure };
  }
}
