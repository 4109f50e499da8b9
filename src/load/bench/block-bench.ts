import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { counted, countedRange, DeviceError, UsageError } from "../../base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BLOCK_CONFIG_SIZE,
  BlockDriver,
  BlockFeature,
  decodeBlockConfig,
  requestsIn,
  SECTOR_SIZE,
  slotBytes,
} from "../../devices/block/index.ts";
import type { Client, ClientOptions, ClientThread } from "../../frontend/index.ts";
import { VirtioFeature } from "../../protocol/index.ts";
import type { RingMode } from "../../runtime/index.ts";
import { MismatchError, runBlockPass } from "../block-pass.ts";
import { loadSlots } from "./ahead.ts";
import type { BlockLoadResult, BlockLoadSpec } from "./block-load.ts";
import { RING_BYTES } from "./ring-bytes.ts";
import { type CourseOptions, runThreads, shares } from "./threads.ts";
import type { BlockWorkload } from "./workloads.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const LOAD = new URL(`./block-load${EXTENSION}`, import.meta.url);

/** Bytes of the requests that fill or look over a device before it is measured. */
const PASS_BYTES = 65_536;

/** Entries that every back-end takes in a ring. */
const USUAL_ENTRIES = 1024;

export interface BlockBenchOptions extends CourseOptions {
  /** Opens a connection: one to prepare the device where that is needed, then one for the load. */
  readonly connect: (options: ClientOptions) => Promise<Client>;
  readonly workload: BlockWorkload;
  /** Bytes of each request, a multiple of 512. */
  readonly blockBytes: number;
  /** Requests in flight on each queue. */
  readonly depth: number;
  readonly queues: number;
  /** Threads that drive the queues, at most one a queue. */
  readonly threads: number;
  readonly completion: RingMode;
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up; or so many requests in all. */
  readonly durationMs?: number | undefined;
  readonly requests?: number | undefined;
  /** Requests a second in all. */
  readonly rate?: number | undefined;
  /** Bytes from the beginning of the device that are worked on; default all of it. */
  readonly size?: number | undefined;
  readonly seed: number;
  /** Compares what is read with a pattern, which is written first. */
  readonly verify: boolean;
  /** Writes over a device that is not blank. */
  readonly overwrite: boolean;
}

/** What a load came to, all queues together. */
export interface LoadResult {
  readonly requests: number;
  /** From the end of the warm-up to the last completion. */
  readonly seconds: number;
  /** Nanoseconds. */
  readonly latency: RecordableHistogram;
}

/**
 * Puts a load on a block device and measures it.
 *
 * @throws {UsageError} the device does not have what was asked for, or is not blank
 * @throws {DeviceError} a request failed, or data differs; and whatever the client throws
 */
export async function runBlockBench(options: BlockBenchOptions): Promise<LoadResult> {
  const { connect, workload, verify, queues, depth, blockBytes } = options;
  const writes = workload !== "read" && workload !== "randread";
  if (writes || verify) await prepare(options);
  // A device finds a chain with less effort than a table, as long as the ring has room for chains.
  const slots = loadSlots(depth);
  const isDirect = 3 * slots <= USUAL_ENTRIES;
  const size = Math.max(256, 2 ** Math.ceil(Math.log2(isDirect ? 3 * slots : depth)));
  const memoryBytes = size * RING_BYTES + slotBytes(slots, blockBytes) + 65_536;
  await using client = await connect({
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    without: { virtio: isDirect ? VirtioFeature.IndirectDesc : 0n },
    memory: { size: queues * (memoryBytes + 4096) },
  });
  const span = await expectDevice(client, options);
  if (depth > requestsIn(size, client.ringFeatures.indirect))
    throw new UsageError(`expected a depth of at most ${requestsIn(size, false)}, got ${depth}`);
  const progress = Array.from({ length: queues }, () => new SharedArrayBuffer(4));
  const specs = progress.map((counter, index) => specOf(options, span, index, counter));
  const threads: ClientThread[] = [];
  const all = specs.map((data, index) => ({ index, size, memoryBytes, data }));
  for (const queues of shares(all, options.threads)) {
    const { completion } = options;
    threads.push(await client.startThread({ module: LOAD, completion, queues }));
  }
  const results = await runThreads(threads, progress, options);
  return merge(results as readonly BlockLoadResult[]);
}

function merge(results: readonly BlockLoadResult[]): LoadResult {
  const failed = results.find(({ failure }) => failure !== undefined);
  if (failed?.failure !== undefined) throw new DeviceError(1, failed.failure);
  const latency = createHistogram();
  let requests = 0;
  let seconds = 0;
  for (const result of results) {
    if (result.requests > 0) latency.add(result.latency);
    requests += result.requests;
    seconds = Math.max(seconds, result.seconds);
  }
  return { requests, seconds, latency };
}

/** Each queue has a part of the device to itself: nobody reads what another is about to write. */
function specOf(
  options: BlockBenchOptions,
  span: number,
  index: number,
  progress: SharedArrayBuffer,
): BlockLoadSpec {
  const { workload, blockBytes, depth, queues, seed, verify, warmUpMs } = options;
  const length = Math.floor(span / queues / blockBytes) * blockBytes;
  const { durationMs, requests, rate } = options;
  return {
    workload,
    blockBytes,
    depth,
    start: index * length,
    length,
    // A pattern that is verified is one for all; otherwise queues should not move in step.
    seed: verify ? seed : seed + index,
    verify,
    warmUpMs,
    durationMs,
    requests: requests === undefined ? undefined : Math.ceil(requests / queues),
    rate: rate === undefined ? undefined : rate / queues,
    progress,
  };
}

/** Returns the bytes to work on. */
async function expectDevice(client: Client, options: BlockBenchOptions): Promise<number> {
  const { queues, blockBytes, workload } = options;
  const config = decodeBlockConfig(await client.requests.getConfig(0, BLOCK_CONFIG_SIZE));
  const capacity = Number(config.capacity) * SECTOR_SIZE;
  const available = (client.features & BlockFeature.Mq) === 0n ? 1 : config.numQueues;
  if (queues > available)
    throw new UsageError(
      `expected ${countedRange(1, available, "queue")}, which the device has, got ${queues}`,
    );
  const size = options.size ?? capacity;
  if (size > capacity || size < blockBytes * queues) {
    throw new UsageError(
      `expected a size from ${blockBytes * queues} (one block a queue) to the device's ${counted(capacity, "byte")}, got ${size}`,
    );
  }
  const isReadOnly = (client.features & BlockFeature.ReadOnly) !== 0n;
  if (isReadOnly && workload !== "read" && workload !== "randread")
    throw new UsageError("expected a device that can be written, it is read-only");
  return size;
}

/** Refuses a device with data on it; fills it with the pattern where reads are to be verified. */
async function prepare(options: BlockBenchOptions): Promise<void> {
  const { connect, overwrite, verify, seed, signal } = options;
  await using client = await connect({ deviceFeatures: BLOCK_DRIVER_FEATURES });
  const driver = await BlockDriver.start(client, { depth: 64, transferBytes: PASS_BYTES });
  const size = await expectDevice(client, options);
  const [queue] = driver.queues;
  if (queue === undefined) throw new UsageError("the device has no queue");
  if (!overwrite) {
    await runBlockPass(queue, { work: "expect-blank", size, seed, signal }).catch(
      (error: unknown) => {
        if (!(error instanceof MismatchError)) throw error;
        throw new UsageError(
          `expected a blank device, there is data at byte ${error.offset}; ` +
            `to write over it all the same add --overwrite`,
        );
      },
    );
  }
  if (verify) await runBlockPass(queue, { work: "write", size, seed, signal });
}
