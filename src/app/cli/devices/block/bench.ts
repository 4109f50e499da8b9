import { blockType } from "../../../../endpoints/devices/block/type.ts";
import { randomInt } from "node:crypto";
import { counted, UsageError } from "../../../../core/base/index.ts";
import { SECTOR_SIZE } from "../../../../endpoints/devices/block/index.ts";
import {
  type BlockWorkload,
  isMixed,
  type LoadResult,
  READ_PERCENT,
  runBlockBench,
} from "../../../../lab/kits/block/workloads/index.ts";
import {
  type BenchReport,
  percentileCurve,
  summarizeLatency,
} from "../../../../lab/results/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { type ConnectOptions, connectClient } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { displayCourse } from "../../commands/bench/course.ts";
import { describeEnvironment, Disturbances } from "../../commands/bench/environment.ts";
import { endOf } from "../../commands/bench/publish.ts";
import { runBench } from "../../commands/bench/runs.ts";
import type { Measured, TargetOptions } from "../../commands/bench/target.ts";

export interface BenchBlockOptions extends ConnectOptions, TargetOptions {
  readonly rw: BlockWorkload;
  readonly blockSize: number;
  readonly depth: number;
  readonly queues: number;
  readonly threads: number;
  readonly runtime?: number | undefined;
  readonly count?: number | undefined;
  readonly warmup: number;
  readonly ringMode: RingMode;
  readonly verify?: true | undefined;
  readonly rwmixread?: number | undefined;
  /** Milliseconds. */
  readonly stallTimeout: number;
  readonly rate?: number | undefined;
  readonly length?: number | undefined;
  readonly seed?: number | undefined;
  readonly overwrite?: true | undefined;
}

/** Milliseconds, without --runtime and --count. */
const DEFAULT_DURATION_MS = 5000;

export async function benchBlock(
  sockets: readonly string[],
  options: BenchBlockOptions,
  context: Context,
): Promise<void> {
  expectSense(options);
  const { rw, blockSize, count, stallTimeout: stallMs, warmup: warmUpMs } = options;
  const seed = options.seed ?? randomInt(2 ** 31);
  const workload = { bench: "block", options: optionsOf(options, seed) };
  const readPercent = options.rwmixread ?? READ_PERCENT[rw];
  const durationMs = options.runtime ?? (count === undefined ? DEFAULT_DURATION_MS : undefined);
  const display = { noun: "request", unit: "IOPS", warmUpMs, durationMs, stallMs };
  const measure = async (socket: string, target: string): Promise<Measured> => {
    const disturbances = new Disturbances();
    const course = displayCourse(context, display);
    const load = async (): Promise<LoadResult> =>
      runBlockBench({
        ...options,
        connect: async (more) => connectClient(socket, options, context, blockType, more),
        workload: rw,
        readPercent,
        blockBytes: blockSize,
        requests: count,
        size: options.length,
        warmUpMs,
        durationMs,
        seed,
        verify: options.verify === true,
        overwrite: options.overwrite === true,
        signal: context.signal,
        stallMs,
        ...course,
      });
    const reportOf = (result: LoadResult): BenchReport => {
      const iops = result.seconds > 0 ? result.requests / result.seconds : 0;
      const warnings = disturbances.warnings();
      if (result.requests < 1000)
        warnings.push(`only ${counted(result.requests, "request")} counted`);
      if (readPercent > 0 && !options.verify)
        warnings.push("the data that was read was not compared (--verify compares it)");
      return {
        schemaVersion: 1,
        kind: "bench",
        ...workload,
        target,
        ...endOf(result.failure, context.signal),
        requests: result.requests,
        seconds: result.seconds,
        iops,
        bytesPerSecond: iops * blockSize,
        ...(result.requests > 0 && {
          latencyUs: summarizeLatency(result.latency),
          percentiles: percentileCurve(result.latency),
        }),
        perSecond: result.perSecond,
        environment: describeEnvironment(),
        warnings,
      };
    };
    const result = await course.watch(load());
    return { report: reportOf(result), failure: result.failure };
  };
  await runBench(
    { workload, nothing: "no request completed after the warm-up", measure },
    sockets,
    options,
    context,
  );
}

function expectSense(options: BenchBlockOptions): void {
  const { blockSize, threads, queues, runtime, count, rw, rwmixread } = options;
  if (blockSize % SECTOR_SIZE !== 0 || blockSize === 0)
    throw new UsageError(
      `--block-size must be a positive multiple of ${SECTOR_SIZE} bytes, not ${blockSize}`,
    );
  if (threads > queues)
    throw new UsageError(
      `--threads ${threads} is more than --queues ${queues}: each thread needs a queue of its own`,
    );
  if (runtime !== undefined && count !== undefined)
    throw new UsageError("--runtime and --count cannot be combined: each says when the run ends");
  if (rwmixread !== undefined && !isMixed(rw))
    throw new UsageError(`--rwmixread cannot be combined with --rw ${rw}, which does only one`);
}

function optionsOf(options: BenchBlockOptions, seed: number): BenchReport["options"] {
  const { rw, rwmixread, blockSize, depth, queues, threads, ringMode, warmup } = options;
  const { rate, length: size } = options;
  return {
    rw,
    ...(isMixed(rw) && { readPercent: rwmixread ?? READ_PERCENT[rw] }),
    blockSize,
    depth,
    queues,
    threads,
    ringMode,
    warmUpMs: warmup,
    seed,
    packed: options.packed === true,
    inOrder: options.inOrder === true,
    verify: options.verify === true,
    ...(rate !== undefined && { rate }),
    ...(size !== undefined && { size }),
  };
}
