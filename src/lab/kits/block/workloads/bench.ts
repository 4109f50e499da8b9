import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { counted, countedRange, DeviceError, UsageError } from "../../../../core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  type BlockConfig,
  BlockDriver,
  BlockFeature,
  requestsIn,
  SECTOR_SIZE,
  slotBytes,
} from "../../../../endpoints/devices/block/index.ts";
import { CurrentConfig } from "../../../../endpoints/devices/block/driver/current-config.ts";
import type { Client, ClientOptions, ClientThread } from "../../../../endpoints/frontend/index.ts";
import { VirtioFeature } from "../../../../core/protocol/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { type BlockWork, MismatchError, runBlockPass } from "./pass.ts";
import { loadSlots } from "../../../workloads/bench/ahead.ts";
import type { BlockLoadResult, BlockLoadSpec } from "./load.ts";
import { RING_BYTES } from "../../../workloads/bench/ring-bytes.ts";
import { addPerSecond } from "../../../workloads/bench/per-second.ts";
import {
  type CourseOptions,
  progressBuffer,
  runThreads,
  shares,
} from "../../../workloads/bench/threads.ts";
import type { BlockWorkload } from "./names.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const LOAD = new URL(`./load${EXTENSION}`, import.meta.url);

/** Bytes of the requests that fill or look over a device before it is measured. */
const PASS_BYTES = 65_536;

/** Entries that every back-end takes in a ring. */
const USUAL_ENTRIES = 1024;

export interface BlockBenchOptions extends CourseOptions {
  /** Opens a connection: one to prepare the device where that is needed, then one for the load. */
  readonly connect: (options: ClientOptions) => Promise<Client>;
  readonly workload: BlockWorkload;
  /** Share of the requests that read. */
  readonly readPercent: number;
  /** Bytes of each request, a multiple of 512. */
  readonly blockBytes: number;
  /** Requests in flight on each queue. */
  readonly depth: number;
  readonly queues: number;
  /** Threads that drive the queues, at most one a queue. */
  readonly threads: number;
  readonly ringMode: RingMode;
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up; or the number of requests of all queues. */
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
  /** The device is looked over, filled, or compared: what is done, and how far it is. */
  readonly onPass?: ((what: string, bytes: number, size: number) => void) | undefined;
}

/** The result of a load, all queues together. */
export interface LoadResult {
  readonly requests: number;
  /** Seconds from the end of the warm-up to the last completion. */
  readonly seconds: number;
  /** Nanoseconds. */
  readonly latency: RecordableHistogram;
  /**
   * Number of requests in each second after the warm-up; the last one may be a part of a second.
   */
  readonly perSecond: readonly number[];
  /** The reason why the load ended early: the signal's reason, a stall, the connection's error. */
  readonly failure?: unknown;
}

/**
 * Puts a load on a block device and measures it. A load that ends early returns what was measured
 * until then, with the reason.
 *
 * @throws {UsageError} the device does not have what was asked for, or is not blank
 * @throws {DeviceError} a request failed, or data differs; and whatever the client throws
 */
export async function runBlockBench(options: BlockBenchOptions): Promise<LoadResult> {
  const { readPercent, verify } = options;
  if (readPercent < 100 || verify) await prepare(options);
  const result = await load(options);
  // Without reads nothing has been compared yet.
  if (verify && readPercent === 0 && result.failure === undefined) await readBack(options);
  return result;
}

async function load(options: BlockBenchOptions): Promise<LoadResult> {
  const { connect, queues, depth, blockBytes } = options;
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
  const shrunk = new AbortController();
  const span = await expectDevice(client, options, (bytes, capacity) => {
    const size = counted(capacity, "byte");
    shrunk.abort(
      new DeviceError(1, `the device shrank to ${size}, and ${bytes} of it are measured`),
    );
  });
  if (depth > requestsIn(size, client.ringFeatures.indirect))
    throw new UsageError(
      `a depth of ${depth} is more than the queue has room for: ${requestsIn(size, false)} requests`,
    );
  const progress = Array.from({ length: queues }, progressBuffer);
  const specs = progress.map((counter, index) => specOf(options, span, index, counter));
  const threads: ClientThread[] = [];
  const all = specs.map((data, index) => ({ index, size, memoryBytes, data }));
  for (const queues of shares(all, options.threads)) {
    const { ringMode } = options;
    threads.push(await client.startThread({ module: LOAD, ringMode, queues }));
  }
  const watched = progress.map((each, index) => ({ index, progress: each, isReceiver: false }));
  const signals = [options.signal, shrunk.signal].filter((each) => each !== undefined);
  const signal = AbortSignal.any(signals);
  const { results, failure } = await runThreads(threads, watched, { ...options, signal });
  return { ...merge(results as readonly BlockLoadResult[]), failure };
}

/** @throws {DeviceError} a request failed, or data differs */
function merge(results: readonly BlockLoadResult[]): Omit<LoadResult, "failure"> {
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
  const perSecond = addPerSecond(results.map((result) => result.perSecond));
  return { requests, seconds, latency, perSecond };
}

/** Each queue has its own part of the device, so that no queue reads what another one writes. */
function specOf(
  options: BlockBenchOptions,
  span: number,
  index: number,
  progress: SharedArrayBuffer,
): BlockLoadSpec {
  const { workload, readPercent, blockBytes, depth, queues, seed, verify, warmUpMs } = options;
  const length = Math.floor(span / queues / blockBytes) * blockBytes;
  const { durationMs, requests, rate } = options;
  return {
    workload,
    readPercent,
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

/**
 * Returns the bytes to work on.
 *
 * @param onShrunk called when the device has fewer of them later
 */
async function expectDevice(
  client: Client,
  options: BlockBenchOptions,
  onShrunk: (bytes: number, capacity: number) => void = () => undefined,
): Promise<number> {
  const { queues, blockBytes, readPercent } = options;
  const { value: config } = await CurrentConfig.of(client, (now) => {
    if (bytesOf(now) < size) onShrunk(size, bytesOf(now));
  });
  const capacity = bytesOf(config);
  const available = (client.features & BlockFeature.Mq) === 0n ? 1 : Math.max(1, config.numQueues);
  if (queues > available)
    throw new UsageError(
      `the device has ${countedRange(1, available, "queue")}; use at most as many, not ${queues}`,
    );
  const size = options.size ?? capacity;
  if (size > capacity || size < blockBytes * queues) {
    throw new UsageError(
      `the length must be from ${blockBytes * queues} (one block a queue) to the ${counted(capacity, "byte")} of the device, and is ${size}`,
    );
  }
  const isReadOnly = (client.features & BlockFeature.ReadOnly) !== 0n;
  if (isReadOnly && (readPercent < 100 || options.verify))
    throw new UsageError("the device is read-only; use a writable one");
  return size;
}

const bytesOf = ({ capacity }: BlockConfig): number => Number(capacity) * SECTOR_SIZE;

/** Refuses a device with data on it; fills it with the pattern where data is to be verified. */
async function prepare(options: BlockBenchOptions): Promise<void> {
  await overDevice(options, async (pass) => {
    if (!options.overwrite) {
      await pass("expect-blank", "looking for data").catch((error: unknown) => {
        if (!(error instanceof MismatchError)) throw error;
        throw new UsageError(
          `the device is not blank: there is data at byte ${error.offset}; ` +
            `add --overwrite to write over it`,
        );
      });
    }
    if (options.verify) await pass("write", "writing the pattern");
  });
}

/**
 * Compares all that a load of writes has left.
 *
 * @throws {DeviceError} data differs
 */
async function readBack(options: BlockBenchOptions): Promise<void> {
  await overDevice(options, async (pass) => {
    await pass("verify", "reading back").catch((error: unknown) => {
      if (!(error instanceof MismatchError)) throw error;
      throw new DeviceError(1, error.message);
    });
  });
}

/** Goes over the part of the device that is worked on, on a connection of its own. */
async function overDevice(
  options: BlockBenchOptions,
  work: (pass: (work: BlockWork, name: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { connect, seed, signal, stallMs, onPass } = options;
  await using client = await connect({ deviceFeatures: BLOCK_DRIVER_FEATURES });
  const driver = await BlockDriver.start(client, { depth: 64, transferBytes: PASS_BYTES });
  const size = await expectDevice(client, options);
  const [queue] = driver.queues;
  if (queue === undefined)
    throw new UsageError("the device has no queue; use a device with at least one");
  await work(async (work, name) =>
    runBlockPass(queue, {
      work,
      size,
      seed,
      signal,
      stallMs,
      onProgress: (bytes) => onPass?.(name, bytes, size),
    }),
  );
}
