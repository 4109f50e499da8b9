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
import { describeEnvironment, Disturbances } from "../../commands/bench/environment.ts";
import { displayCourse } from "../../commands/bench/course.ts";
import { endOf } from "../../commands/bench/publish.ts";
import { runBench } from "../../commands/bench/runs.ts";
import type { Measured, TargetOptions } from "../../commands/bench/target.ts";

export interface BenchNetOptions extends ConnectOptions, TargetOptions {
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
  sockets: readonly string[],
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
  const display = { noun: "frame", unit: "frames/s", warmUpMs, durationMs, stallMs };
  const measure = async (socket: string, target: string): Promise<Measured> => {
    const disturbances = new Disturbances();
    const course = displayCourse(context, display);
    const load = async (): Promise<NetBenchResult> =>
      runNetBench({
        connect: async (more) => connectClient(socket, options, context, netType, more),
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
      // A loop measures the frames that the back-end returns.
      const main = what === "tx" ? sent : received;
      const warnings = disturbances.warnings();
      if (what !== "tx") warnings.push("the frames that were received were counted, not compared");
      return {
        schemaVersion: 1,
        kind: "bench",
        ...workload,
        target,
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
    const result = await course.watch(load());
    return { report: reportOf(result), failure: result.failure };
  };
  await runBench({ workload, nothing: NOTHING[what], measure }, sockets, options, context);
}

/** Explains the absence of any frame. */
const NOTHING: Readonly<Record<NetWorkload, string>> = {
  tx: "the back-end used no frame after the warm-up",
  rx: "no frame was received after the warm-up: does the back-end send any?",
  loop: "the back-end returned no frame after the warm-up: does it echo frames?",
};

function rate(amount: number, { seconds }: NetTraffic): number {
  return seconds > 0 ? amount / seconds : 0;
}
