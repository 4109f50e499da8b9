import {
  type NetBenchResult,
  type NetTraffic,
  type NetWorkload,
  runNetBench,
} from "../../../load/index.ts";
import type { BenchReport } from "../../../report/index.ts";
import type { RingMode } from "../../../runtime/index.ts";
import { type ConnectOptions, connectClient } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { type ExecOptions, targetName, withBackend } from "../../exec-backend.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { type CourseDisplay, displayCourse } from "./course.ts";
import { publish, type PublishOptions, readBaseline } from "./publish.ts";

export interface BenchNetOptions extends ConnectOptions, PublishOptions, ExecOptions {
  readonly frameSize: number;
  readonly depth?: number | undefined;
  readonly batch?: number | undefined;
  readonly queues: number;
  readonly threads: number;
  readonly queueSize: number;
  readonly completion: RingMode;
  readonly warmup: number;
  readonly seconds?: number | undefined;
}

const DEFAULT_DURATION_MS = 5000;
const DEFAULT_BATCH = 32;

export async function benchNet(
  workload: NetWorkload,
  socket: string | undefined,
  options: BenchNetOptions,
  context: Context,
): Promise<void> {
  const baseline = readBaseline(options);
  const { frameSize, queues, threads, queueSize, completion, warmup } = options;
  const { depth = queueSize, batch = Math.min(DEFAULT_BATCH, depth) } = options;
  const disturbances = new Disturbances();
  const course: CourseDisplay = displayCourse(context, "frames/s");
  const load = async (path: string): Promise<NetBenchResult> =>
    runNetBench({
      connect: async (more) => connectClient(path, options, context, "net", more),
      workload,
      frameBytes: frameSize,
      depth,
      batch,
      queuePairs: queues,
      threads,
      ringSize: queueSize,
      completion,
      warmUpMs: warmup,
      durationMs: options.seconds ?? DEFAULT_DURATION_MS,
      signal: context.signal,
      onStart: course.onStart,
      onSecond: course.onSecond,
    });
  const result = await withBackend(socket, options, context, async (backend) =>
    course.watch(load(backend.socket)),
  );
  const { sent, received } = result;
  // What comes back is what a loop is about.
  const main = workload === "tx" ? sent : received;
  const warnings = disturbances.warnings();
  if (main.frames === 0) warnings.push("no frame passed");
  warnings.push("frames were counted, not looked at");
  const report: BenchReport = {
    schemaVersion: 1,
    bench: `net ${workload}`,
    target: targetName(socket, options),
    options: {
      frameSize,
      depth,
      batch,
      queues,
      threads,
      queueSize,
      completion,
      warmUpMs: warmup,
      packed: options.packed === true,
    },
    requests: main.frames,
    seconds: main.seconds,
    framesPerSecond: rate(main.frames, main),
    bytesPerSecond: rate(main.bytes, main),
    ...(workload === "loop" && { sentFramesPerSecond: rate(sent.frames, sent) }),
    perSecond: course.perSecond,
    environment: describeEnvironment(),
    warnings,
  };
  publish(report, options, baseline, context);
}

function rate(amount: number, { seconds }: NetTraffic): number {
  return seconds > 0 ? amount / seconds : 0;
}
