import { counted, UsageError } from "../../../../core/base/index.ts";
import type { Device, DeviceCapabilities } from "../../../backend/index.ts";
import type { RingServer, RunningQueue, WorkerPart } from "../../../../core/runtime/index.ts";
import { SpanList } from "../../../../core/memory/index.ts";
import {
  type ChainCursor,
  copyOut,
  createChainCursor,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import {
  GSO_NONE,
  LONG_HEADER_BYTES,
  MAX_FRAME_BYTES,
  NetFeature,
  netHeaderBytes,
  NetHeaderFlag,
} from "../layout.ts";
import type { NetTransmitCounters } from "./counters.ts";
import { netType } from "../type.ts";
import type { DeviceType } from "../../../../core/protocol/index.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const WORKER_MODULE = new URL(`./sink-worker${EXTENSION}`, import.meta.url).href;
const MAX_QUEUE_SIZE = 1024;
const MAX_PAIRS = 128;

/** The index of each counter of a ring, as float64. */
const Counter = { Frames: 0, Bytes: 1, WrongSize: 2, Offloads: 3, Count: 4 } as const;

/** The data from which a worker makes its server. */
export interface SinkWorkerData {
  readonly headerBytes: number;
  /** The counters of one ring, in the order of {@link Counter}. */
  readonly counters: SharedArrayBuffer;
}

/**
 * Takes every frame of a transmit ring and counts it: the fastest thing that can be done with one,
 * without a copy of it.
 */
export class NetSinkServer implements RingServer {
  headerBytes: number;
  readonly budget = 64;
  readonly #counters: Float64Array;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #spans = new SpanList();
  readonly #header = new Uint8Array(LONG_HEADER_BYTES);

  constructor({ headerBytes, counters }: SinkWorkerData) {
    this.headerBytes = headerBytes;
    this.#counters = new Float64Array(counters);
  }

  serve({ queue }: RunningQueue, budget: number): void {
    const spans = this.#spans;
    const chain = this.#chain;
    while (budget > 0 && queue.hasNext()) {
      const count = queue.takeSingles(spans, budget);
      budget -= count;
      if (count > 0) this.#takeSingles(queue, spans);
      else if (queue.next(chain)) {
        budget -= 1;
        this.#take(queue, chain);
      } else return;
    }
  }

  /** Takes frames of single-descriptor chains. */
  #takeSingles(queue: ServedQueue, { count, lengths, offsets, windows }: SpanList): void {
    const { headerBytes } = this;
    let frames = 0;
    let bytes = 0;
    for (let i = 0; i < count; i += 1) {
      const length = (lengths[i] ?? 0) - headerBytes;
      if (length < 0) return this.#tooShort(queue, length);
      const memory = windows[i]?.bytes;
      const at = offsets[i] ?? 0;
      if (this.#isPlain(length, memory?.[at] ?? 0, memory?.[at + 1] ?? 0)) {
        frames += 1;
        bytes += length;
      }
    }
    this.#count(Counter.Frames, frames);
    this.#count(Counter.Bytes, bytes);
    queue.completeSingles();
  }

  #take(queue: ServedQueue, chain: ChainCursor): void {
    if (chain.unreachable !== undefined) {
      this.#count(Counter.WrongSize, 1);
      queue.complete(chain.id, 0);
      return;
    }
    const length = chain.readableBytes - this.headerBytes;
    if (length < 0) return this.#tooShort(queue, length);
    copyOut(chain, 0, this.#header, 2);
    if (this.#isPlain(length, this.#header[0] ?? 0, this.#header[1] ?? 0)) {
      this.#count(Counter.Frames, 1);
      this.#count(Counter.Bytes, length);
    }
    queue.complete(chain.id, 0);
  }

  /** Returns whether the packet is a frame as it is; what else it may be is counted. */
  #isPlain(length: number, flags: number, gsoType: number): boolean {
    if (length === 0 || length > MAX_FRAME_BYTES) this.#count(Counter.WrongSize, 1);
    else if ((flags & NetHeaderFlag.NeedsCsum) !== 0 || gsoType !== GSO_NONE)
      this.#count(Counter.Offloads, 1);
    else return true;
    return false;
  }

  #tooShort(queue: ServedQueue, length: number): void {
    const { headerBytes } = this;
    queue.fail(
      `expected a packet with a header of ${counted(headerBytes, "byte")}, got ${counted(headerBytes + length, "byte")}`,
      "5.1.6",
    );
  }

  #count(which: number, amount: number): void {
    this.#counters[which] = (this.#counters[which] ?? 0) + amount;
  }
}

/**
 * A network device that takes every frame and does nothing with it, on the event loop or in workers.
 * Its receive rings are never used.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { NetSinkDevice } from "vhost-user/devices/net";
 *
 * const device = new NetSinkDevice({ queuePairs: 2 });
 * const server = await BackendServer.listen("sink.sock", { device: () => device });
 * console.log(device.counters.txFrames);
 * server.close();
 * ```
 */
export class NetSinkDevice implements Device {
  readonly type: DeviceType = netType;
  readonly features: bigint;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly capabilities: DeviceCapabilities;
  readonly #rings: readonly SharedArrayBuffer[];
  readonly #servers: readonly NetSinkServer[];

  /** @throws {UsageError} */
  constructor({ queuePairs = 1 }: { readonly queuePairs?: number | undefined } = {}) {
    if (!Number.isInteger(queuePairs) || queuePairs < 1 || queuePairs > MAX_PAIRS)
      throw new UsageError(`queuePairs must be 1 to ${MAX_PAIRS}, not ${queuePairs}`);
    this.maxQueues = 2 * queuePairs;
    this.features = queuePairs > 1 ? NetFeature.Mq : 0n;
    this.#rings = Array.from(
      { length: queuePairs },
      () => new SharedArrayBuffer(Counter.Count * Float64Array.BYTES_PER_ELEMENT),
    );
    this.#servers = this.#rings.map(
      (counters) => new NetSinkServer({ headerBytes: LONG_HEADER_BYTES, counters }),
    );
    const isTransmit = (index: number): boolean => (index & 1) === 1;
    this.capabilities = {
      lifecycle: { negotiated: (acknowledged) => this.#negotiated(acknowledged) },
      // Receive buffers stay in the ring, and a worker does not discard.
      scheduling: { wantsChains: isTransmit, discards: isTransmit },
      worker: { partFor: (index) => this.#partFor(index) },
      network: { queuePairs },
    };
  }

  /** Sums of all rings; of those in workers as of a moment ago. */
  get counters(): NetTransmitCounters {
    const sum = (which: number): number =>
      this.#rings.reduce((total, ring) => total + (new Float64Array(ring)[which] ?? 0), 0);
    return {
      txFrames: sum(Counter.Frames),
      txBytes: sum(Counter.Bytes),
      txWrongSize: sum(Counter.WrongSize),
      txOffloads: sum(Counter.Offloads),
    };
  }

  #negotiated(features: bigint): void {
    for (const server of this.#servers) server.headerBytes = netHeaderBytes(features);
  }

  process(running: RunningQueue): void {
    const { index, queue } = running;
    if ((index & 1) === 1) this.#servers[index >>> 1]?.serve(running, queue.size);
  }

  #partFor(index: number): WorkerPart | undefined {
    const [counters, server] = [this.#rings[index >>> 1], this.#servers[index >>> 1]];
    if ((index & 1) === 0 || counters === undefined || server === undefined) return undefined;
    const data: SinkWorkerData = { headerBytes: server.headerBytes, counters };
    return { module: WORKER_MODULE, data };
  }
}
