import { netType } from "../../../../endpoints/devices/net/type.ts";
import {
  type NetBenchResult,
  type NetTraffic,
  type NetWorkload,
  runNetBench,
} from "../../../../lab/kits/net/workloads/index.ts";
import type { BenchReport } from "../../../../lab/results/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { type ConnectOptions, connectClient } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { type ExecOptions, targetName, withBackend } from "../../exec-backend.ts";
import { describeEnvironment, Disturbances } from "../../commands/bench/environment.ts";
import { displayCourse } from "../../commands/bench/course.ts";
import {
  endOf,
  publish,
  publishEarlyEnd,
  type PublishOptions,
  readBaseline,
} from "../../commands/bench/publish.ts";

export interface BenchNetOptions extends ConnectOptions, PublishOptions, ExecOptions {
  readonly frameSize: number;
  readonly depth?: number | undefined;
  readonly batch?: number | undefined;
  readonly queues: number;
  readonly threads: number;
  readonly queueSize: number;
  readonly ringMode: RingMode;
  readonly warmup: number;
  /** Milliseconds. */
  readonly stallTimeout: number;
  readonly runtime?: number | undefined;
}

const DEFAULT_DURATION_MS = 5000;
const DEFAULT_BATCH = 32;

export async function benchNet(
  what: NetWorkload,
  socket: string | undefined,
  options: BenchNetOptions,
  context: Context,
): Promise<void> {
  const { frameSize, queues, threads, queueSize, ringMode, warmup: warmUpMs } = options;
  const { depth = queueSize, batch = Math.min(DEFAULT_BATCH, depth) } = options;
  const { stallTimeout: stallMs, runtime: durationMs = DEFAULT_DURATION_MS } = options;
  const workload = {
    bench: `net ${what}`,
    options: {
      frameSize,
      depth,
      batch,
      queues,
      threads,
      queueSize,
      ringMode,
      warmUpMs,
      packed: options.packed === true,
      inOrder: options.inOrder === true,
    },
  };
  const baseline = readBaseline(options, workload);
  const disturbances = new Disturbances();
  const display = { noun: "frame", unit: "frames/s", warmUpMs, durationMs, stallMs };
  const course = displayCourse(context, display);
  const load = async (path: string): Promise<NetBenchResult> =>
    runNetBench({
      connect: async (more) => connectClient(path, options, context, netType, more),
      workload: what,
      frameBytes: frameSize,
      depth,
      batch,
      queuePairs: queues,
      threads,
      ringSize: queueSize,
      ringMode,
      warmUpMs,
      durationMs,
      signal: context.signal,
      stallMs,
      ...course,
    });
  const reportOf = ({ sent, received, failure }: NetBenchResult): BenchReport => {
    // The result of a loop is the frames that the back-end returns.
    const main = what === "tx" ? sent : received;
    const warnings = disturbances.warnings();
    if (what !== "tx") warnings.push("the frames that were received were counted, not looked at");
    return {
      schemaVersion: 1,
      kind: "bench",
      ...workload,
      target: targetName(socket, options),
      ...endOf(failure, context.signal),
      requests: main.frames,
      seconds: main.seconds,
      framesPerSecond: rate(main.frames, main),
      bytesPerSecond: rate(main.bytes, main),
      ...(what === "loop" && { sentFramesPerSecond: rate(sent.frames, sent) }),
      perSecond: main.perSecond,
      environment: describeEnvironment(),
      warnings,
    };
  };
  const report = await withBackend(socket, options, context, async (backend) => {
    const result = await course.watch(load(backend.socket));
    return publishEarlyEnd(reportOf(result), result.failure, options, context);
  });
  publish(report, options, baseline, context);
  if (report.requests === 0) throw new CommandError(ExitCode.Failed, NOTHING[what]);
}

/** Why there may be no frame at all. */
const NOTHING: Readonly<Record<NetWorkload, string>> = {
  tx: "the back-end used no frame after the warm-up",
  rx: "no frame was received after the warm-up: does the back-end send any?",
  loop: "the back-end returned no frame after the warm-up: does it echo frames?",
};

function rate(amount: number, { seconds }: NetTraffic): number {
  return seconds > 0 ? amount / seconds : 0;
}
