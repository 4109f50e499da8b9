import { randomInt } from "node:crypto";
import { counted, UsageError } from "../../../base/index.ts";
import { SECTOR_SIZE } from "../../../devices/block/index.ts";
import { type BlockWorkload, type LoadResult, runBlockBench } from "../../../load/index.ts";
import { type BenchReport, percentileCurve, summarizeLatency } from "../../../report/index.ts";
import type { RingMode } from "../../../runtime/index.ts";
import { type ConnectOptions, connectClient } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { type ExecOptions, targetName, withBackend } from "../../exec-backend.ts";
import { displayCourse } from "./course.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { publish, type PublishOptions, readBaseline } from "./publish.ts";

export interface BenchBlockOptions extends ConnectOptions, PublishOptions, ExecOptions {
  readonly rw: BlockWorkload;
  readonly blockSize: number;
  readonly depth: number;
  readonly queues: number;
  readonly threads: number;
  readonly seconds?: number | undefined;
  readonly requests?: number | undefined;
  readonly warmup: number;
  readonly completion: RingMode;
  readonly verify?: true | undefined;
  readonly rate?: number | undefined;
  readonly size?: number | undefined;
  readonly seed?: number | undefined;
  readonly overwrite?: true | undefined;
}

/** Milliseconds, where neither seconds nor requests are told. */
const DEFAULT_DURATION_MS = 5000;
/** How long nothing at all may complete. */
const STALL_MS = 30_000;

export async function benchBlock(
  socket: string | undefined,
  options: BenchBlockOptions,
  context: Context,
): Promise<void> {
  expectSense(options);
  const baseline = readBaseline(options);
  const { rw, blockSize, depth, queues, threads, completion, requests, rate, size } = options;
  const durationMs = options.seconds ?? (requests === undefined ? DEFAULT_DURATION_MS : undefined);
  const seed = options.seed ?? randomInt(2 ** 31);
  const disturbances = new Disturbances();
  const course = displayCourse(context, "IOPS");
  const load = async (path: string): Promise<LoadResult> =>
    runBlockBench({
      connect: async (more) => connectClient(path, options, context, "block", more),
      workload: rw,
      blockBytes: blockSize,
      depth,
      queues,
      threads,
      completion,
      warmUpMs: options.warmup,
      durationMs,
      requests,
      rate,
      size,
      seed,
      verify: options.verify === true,
      overwrite: options.overwrite === true,
      signal: context.signal,
      stallMs: STALL_MS,
      onStart: course.onStart,
      onSecond: course.onSecond,
    });
  const result = await withBackend(socket, options, context, async (backend) =>
    course.watch(load(backend.socket)),
  );
  const iops = result.seconds > 0 ? result.requests / result.seconds : 0;
  const warnings = disturbances.warnings();
  if (result.requests < 1000) warnings.push(`only ${counted(result.requests, "request")} counted`);
  if (!options.verify) warnings.push("the data that was read was not looked at (--verify)");
  const report: BenchReport = {
    schemaVersion: 1,
    bench: "block",
    target: targetName(socket, options),
    options: optionsOf(options, seed),
    requests: result.requests,
    seconds: result.seconds,
    iops,
    bytesPerSecond: iops * blockSize,
    ...(result.requests > 0 && {
      latencyUs: summarizeLatency(result.latency),
      percentiles: percentileCurve(result.latency),
    }),
    perSecond: course.perSecond,
    environment: describeEnvironment(),
    warnings,
  };
  publish(report, options, baseline, context);
}

function expectSense({ blockSize, threads, queues, seconds, requests }: BenchBlockOptions): void {
  if (blockSize % SECTOR_SIZE !== 0 || blockSize === 0)
    throw new UsageError(`expected --block-size as a multiple of ${SECTOR_SIZE}, got ${blockSize}`);
  if (threads > queues)
    throw new UsageError(
      `expected at most one thread a queue (${queues}), got --threads ${threads}`,
    );
  if (seconds !== undefined && requests !== undefined)
    throw new UsageError("expected --seconds or --requests, got both");
}

function optionsOf(options: BenchBlockOptions, seed: number): BenchReport["options"] {
  const { rw, blockSize, depth, queues, threads, completion, warmup, rate } = options;
  return {
    rw,
    blockSize,
    depth,
    queues,
    threads,
    completion,
    warmUpMs: warmup,
    seed,
    packed: options.packed === true,
    verify: options.verify === true,
    ...(rate !== undefined && { rate }),
  };
}
