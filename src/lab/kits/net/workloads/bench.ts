import { UsageError } from "../../../../core/base/index.ts";
import {
  expectQueuePairs,
  NetFeature,
  receiveRing,
  transmitRing,
} from "../../../../endpoints/devices/net/index.ts";
import type { Client, ClientOptions, ClientThread } from "../../../../endpoints/frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { netLoadBytes, type NetLoadResult, type NetLoadSpec } from "./load.ts";
import { addPerSecond } from "../../../workloads/bench/per-second.ts";
import {
  type CourseOptions,
  progressBuffer,
  runThreads,
  shares,
  type WatchedQueue,
} from "../../../workloads/bench/threads.ts";
import { RING_BYTES } from "../../../workloads/bench/ring-bytes.ts";
import type { NetWorkload } from "./names.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const LOAD = new URL(`./load${EXTENSION}`, import.meta.url);

/** Room for any frame that is not a jumbo frame. */
const RECEIVE_BYTES = 1524;

export interface NetBenchOptions extends CourseOptions {
  readonly connect: (options: ClientOptions) => Promise<Client>;
  /** `tx`: frames are sent; `rx`: what comes is taken; `loop`: both. */
  readonly workload: NetWorkload;
  /** Bytes of the frames that are sent. */
  readonly frameBytes: number;
  /** Frames, or buffers for them, in flight on each ring, at most the ring's size. */
  readonly depth: number;
  /** Number of frames that are made available together. */
  readonly batch: number;
  /** Pairs of one receive and one transmit ring. */
  readonly queuePairs: number;
  readonly threads: number;
  /** Number of entries of each ring. */
  readonly ringSize: number;
  readonly ringMode: RingMode;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** Frames of one direction, all queues together. */
export interface NetBenchResult {
  readonly sent: NetTraffic;
  readonly received: NetTraffic;
  /** The reason why the load ended early: the signal's reason, a stall, the connection's error. */
  readonly failure?: unknown;
}

export interface NetTraffic {
  readonly frames: number;
  /** Bytes of the frames, without the device's header. */
  readonly bytes: number;
  readonly seconds: number;
  /** Number of frames in each second after the warm-up; the last one may be a part of a second. */
  readonly perSecond: readonly number[];
}

/**
 * Sends frames to a network device, takes those that come, or both, and counts. A load that ends early
 * returns what was counted until then, with the reason.
 *
 * @throws {UsageError} the device does not have what was asked for; and whatever the client throws
 */
export async function runNetBench(options: NetBenchOptions): Promise<NetBenchResult> {
  const { queuePairs, ringSize, depth, batch, frameBytes, ringMode } = options;
  if (depth > ringSize)
    throw new UsageError(`a depth of ${depth} is more than the ${ringSize} entries of the ring`);
  if (batch > depth) throw new UsageError(`a batch of ${batch} is more than the depth of ${depth}`);
  const room = Math.max(RECEIVE_BYTES, frameBytes);
  const memoryBytes = ringSize * RING_BYTES + netLoadBytes(depth, room) + 65_536;
  await using client = await options.connect({
    deviceFeatures: NetFeature.Mq,
    memory: { size: 2 * queuePairs * (memoryBytes + 4096) },
  });
  await expectQueuePairs(client, queuePairs);
  const watched: WatchedQueue[] = [];
  const pairs = Array.from({ length: queuePairs }, (_, pair) =>
    (["rx", "tx"] as const).map((direction) => {
      const used = options.workload === "loop" || options.workload === direction;
      const counter = progressBuffer();
      const isReceiver = direction === "rx";
      const index = isReceiver ? receiveRing(pair) : transmitRing(pair);
      if (used) watched.push({ index, progress: counter, isReceiver });
      const spec = specOf(options, direction, isReceiver ? room : frameBytes, counter, used);
      return { index, size: ringSize, memoryBytes, data: spec };
    }),
  );
  const threads: ClientThread[] = [];
  // The rings of a pair stay in one thread.
  for (const share of shares(pairs, options.threads))
    threads.push(await client.startThread({ module: LOAD, ringMode, queues: share.flat() }));
  const endMs = options.warmUpMs + options.durationMs;
  const { results, failure } = await runThreads(threads, watched, { ...options, endMs });
  return { ...sum(results as readonly NetLoadResult[]), failure };
}

function specOf(
  { depth, batch, warmUpMs, durationMs }: NetBenchOptions,
  direction: "tx" | "rx",
  frameBytes: number,
  progress: SharedArrayBuffer,
  used: boolean,
): NetLoadSpec {
  return { direction, frameBytes, depth, batch, warmUpMs, durationMs, progress, idle: !used };
}

function sum(results: readonly NetLoadResult[]): Omit<NetBenchResult, "failure"> {
  const of = (direction: "tx" | "rx"): NetTraffic => {
    const mine = results.filter((result) => result.direction === direction);
    return {
      frames: mine.reduce((total, { frames }) => total + frames, 0),
      bytes: mine.reduce((total, { bytes }) => total + bytes, 0),
      seconds: Math.max(0, ...mine.map(({ seconds }) => seconds)),
      perSecond: addPerSecond(mine.map(({ perSecond }) => perSecond)),
    };
  };
  return { sent: of("tx"), received: of("rx") };
}
