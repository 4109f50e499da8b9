import type { RecordableHistogram } from "node:perf_hooks";
import { Deferred, DeviceError, StalledError } from "../../../../core/base/index.ts";
import {
  type BlockQueue,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  SECTOR_SIZE,
} from "../../../../endpoints/devices/block/index.ts";
import { expectedWord, fillPattern, findMismatch } from "../../../workloads/pattern.ts";

/** The work on each block of the range. */
export type BlockWork =
  /** Write the pattern. */
  | "write"
  /** Read, and compare with the pattern. */
  | "verify"
  /** Read, and expect zeroes. */
  | "expect-blank"
  /** Read only. */
  | "read";

export interface BlockPassOptions {
  readonly work: BlockWork;
  /** Bytes from the beginning of the device, a multiple of the queue's transfer size or of 512. */
  readonly size: number;
  readonly seed: number;
  /** Gets the latency of each request, nanoseconds. */
  readonly latency?: RecordableHistogram;
  /** Called from time to time with the number of bytes done. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without any completion after which the pass fails. Default 30 s. */
  readonly stallMs?: number | undefined;
}

const DEFAULT_STALL_MS = 30_000;

export interface BlockPassResult {
  readonly bytes: number;
  readonly requests: number;
  readonly seconds: number;
}

/**
 * Data read back is not what was written.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { BLOCK_DRIVER_FEATURES } from "vhost-user/devices/block";
 * import { MismatchError, verifyBlock } from "vhost-user/testing";
 *
 * const clients: Client[] = [];
 * try {
 *   const results = verifyBlock({
 *     seed: 1,
 *     cases: [{ depth: 4, ringMode: "event" }],
 *     overwrite: true,
 *     open: async (options, start) => {
 *       const all = { ...options, deviceFeatures: BLOCK_DRIVER_FEATURES };
 *       const client = await Client.connect("disk.sock", all);
 *       clients.push(client);
 *       return { client, driver: await start(client) };
 *     },
 *   });
 *   for await (const { readMiBs } of results) console.log(readMiBs);
 * } catch (error) {
 *   if (error instanceof MismatchError) console.log(`wrong data at byte ${error.offset}`);
 * } finally {
 *   for (const client of clients) await client.close();
 * }
 * ```
 */
export class MismatchError extends Error {
  /** Byte offset on the device. */
  readonly offset: number;

  constructor(offset: number, expected: string, actual: string) {
    super(`data differs at byte ${offset}: expected ${expected}, got ${actual}`);
    this.offset = offset;
  }
}

/**
 * Goes over a range of a block device once, on one queue at its full depth. The queue's handler is
 * taken for the time of the pass.
 *
 * @throws {MismatchError | StalledError | DeviceError | QueueError | PeerClosedError}, the signal's reason
 */
export async function runBlockPass(
  queue: BlockQueue,
  options: BlockPassOptions,
): Promise<BlockPassResult> {
  const pass = new BlockPass(queue, options);
  const before = queue.handler;
  queue.handler = pass;
  try {
    return await pass.run();
  } finally {
    queue.handler = before;
  }
}

class BlockPass {
  readonly #queue: BlockQueue;
  readonly #options: BlockPassOptions;
  readonly #end: Deferred<void>;
  readonly #words: Int32Array[] = [];
  /** By slot: where its block starts, how long it is, when it was submitted. */
  readonly #position: Float64Array;
  readonly #length: Int32Array;
  readonly #since: Float64Array;
  #next = 0;
  #done = 0;
  #requests = 0;
  #failure: Error | undefined;
  #stalled: NodeJS.Timeout | undefined;

  constructor(queue: BlockQueue, options: BlockPassOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#end = new Deferred<void>({ signal: options.signal });
    this.#position = new Float64Array(queue.depth);
    this.#length = new Int32Array(queue.depth);
    this.#since = new Float64Array(queue.depth);
    for (let slot = 0; slot < queue.depth; slot += 1) {
      const data = queue.data(slot);
      this.#words.push(new Int32Array(data.buffer, data.byteOffset, data.length / 4));
    }
  }

  async run(): Promise<BlockPassResult> {
    if (this.#queue.failure !== undefined) throw this.#queue.failure;
    const start = performance.now();
    const { stallMs = DEFAULT_STALL_MS } = this.#options;
    const stalled = setTimeout(() => {
      const { index, outstanding } = this.#queue;
      const ring = { queue: index, inFlight: outstanding, idleMs: stallMs };
      this.#end.reject(new StalledError(stallMs, [ring]));
    }, stallMs);
    this.#stalled = stalled;
    try {
      this.#options.onProgress?.(0);
      this.#submit();
      await this.#end.promise;
    } finally {
      clearTimeout(stalled);
    }
    const seconds = (performance.now() - start) / 1000;
    return { bytes: this.#done, requests: this.#requests, seconds };
  }

  done(slot: number, status: number): void {
    const { latency, work, seed } = this.#options;
    if (latency)
      latency.record(Math.max(1, Math.round((performance.now() - (this.#since[slot] ?? 0)) * 1e6)));
    const position = this.#position[slot] ?? 0;
    const length = this.#length[slot] ?? 0;
    this.#queue.release(slot);
    this.#requests += 1;
    this.#done += length;
    if (status !== BlockStatus.Ok) {
      const message = `${work} at byte ${position}: the device answered ${blockStatusName(status)}`;
      this.#failure ??= new DeviceError(status, message);
    } else if (work === "verify" || work === "expect-blank") {
      this.#compare(slot, position, length, work === "verify" ? seed : undefined);
    }
  }

  batchDone(): void {
    this.#stalled?.refresh();
    this.#options.onProgress?.(this.#done);
    if (this.#failure === undefined && !this.#end.settled) this.#submit();
    // Outstanding requests would otherwise complete into the handler of the next user.
    if (this.#queue.outstanding > 0) return;
    if (this.#failure) this.#end.reject(this.#failure);
    else this.#end.resolve();
  }

  failed(error: Error): void {
    this.#end.reject(error);
  }

  #submit(): void {
    const { size, work, seed, latency } = this.#options;
    const queue = this.#queue;
    const write = work === "write";
    while (this.#next < size) {
      const slot = queue.acquire();
      if (slot < 0) break;
      const position = this.#next;
      const length = Math.min(queue.transferBytes, size - position);
      this.#next += length;
      this.#position[slot] = position;
      this.#length[slot] = length;
      if (write) fillPattern(this.#wordsOf(slot, length), seed, position);
      if (latency) this.#since[slot] = performance.now();
      queue.submit(
        slot,
        write ? BlockRequest.Out : BlockRequest.In,
        position / SECTOR_SIZE,
        length,
      );
    }
    queue.publish();
  }

  #compare(slot: number, position: number, length: number, seed: number | undefined): void {
    const words = this.#wordsOf(slot, length);
    const at =
      seed === undefined
        ? words.findIndex((word) => word !== 0)
        : findMismatch(words, seed, position);
    if (at < 0) return;
    const offset = position + at * 4;
    const expected = seed === undefined ? 0 : expectedWord(seed, offset);
    this.#failure ??= new MismatchError(offset, hex(expected), hex(words[at] ?? 0));
  }

  #wordsOf(slot: number, length: number): Int32Array {
    const words = this.#words[slot];
    if (words === undefined) throw new RangeError(`no such slot: ${slot}`);
    return words.length === length / 4 ? words : words.subarray(0, length / 4);
  }
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
}
