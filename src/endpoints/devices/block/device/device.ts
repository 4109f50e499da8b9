import {
  type Device,
  type DeviceCapabilities,
  type DeviceSession,
  readOnlyConfig,
} from "../../../backend/index.ts";
import type { RunningQueue, WorkerPart } from "../../../../core/runtime/index.ts";
import { OwnedFd } from "../../../../core/os/index.ts";
import type { ChainCursor } from "../../../../core/virtqueue/index.ts";
import { BLOCK_CONFIG_SIZE, encodeBlockConfig } from "../config.ts";
import { blockState } from "./state.ts";
import { BlockServer, DISCARD_LIMITS, ZERO_LIMITS } from "./server.ts";
import { BlockFeature, BlockStatus, ID_BYTES, MAX_BLOCK_QUEUES, SECTOR_SIZE } from "../layout.ts";
import type { BlockStorage } from "../../../storage/index.ts";
import { blockType } from "../type.ts";
import type { DeviceType } from "../../../../core/protocol/index.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const WORKER_MODULE = new URL(`./worker${EXTENSION}`, import.meta.url).href;
const MAX_QUEUE_SIZE = 1024;
/** 16-bit: a request's header, status byte and this many data segments fit a queue of 128. */
const MAX_SEGMENTS = 126;

/** The data from which a worker makes its server. */
export interface BlockWorkerData {
  /** The descriptor of the storage; borrowed. */
  readonly fd: number;
  /** Size in bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  readonly isNull: boolean;
  readonly id: Uint8Array;
  readonly writeThrough: boolean;
  /** The features that the driver acknowledged. */
  readonly features: bigint | undefined;
  /** The counter of this queue: one float64, the number of requests taken. */
  readonly counter: SharedArrayBuffer;
}

export interface BlockDeviceOptions {
  /** Shared with other sessions; not closed with the device. */
  readonly storage: BlockStorage;
  /**
   * Number of request queues to offer. Default {@link MAX_BLOCK_QUEUES}: QEMU wants one for each
   * virtual processor of its machine, and does not start with fewer.
   */
  readonly queues?: number;
  /** The answer to GET_ID, up to 20 bytes. */
  readonly id?: string;
}

/**
 * A block device (VIRTIO 5.2) over a file or memory. Data moves without a copy in this process.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { BlockDevice } from "vhost-user/devices/block";
 * import { BlockStorage } from "vhost-user/storage";
 *
 * const storage = BlockStorage.memory(1 << 20);
 * const server = await BackendServer.listen("served.sock", {
 *   device: () => new BlockDevice({ storage, queues: 4 }),
 * });
 * server.close();
 * storage.close();
 * ```
 */
export class BlockDevice implements Device {
  readonly type: DeviceType = blockType;
  readonly features: bigint;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly capabilities: DeviceCapabilities;
  #ignoreResize: () => void = () => undefined;
  readonly #storage: BlockStorage;
  readonly #id = new Uint8Array(ID_BYTES);
  readonly #server: BlockServer;
  /** Requests that were taken on the event loop: one float64. */
  readonly #counter = new SharedArrayBuffer(8);
  /**
   * The counters of the queues that workers serve, by index, made when a queue first starts. Each
   * is in a cache line of its own, as it has one writer.
   */
  readonly #workerCounters = new Map<number, SharedArrayBuffer>();
  /** Flushes in flight, by queue, and the callbacks that wait until there are none. */
  readonly #flushes: number[] = [];
  /** By queue: number of suspensions. Flushes from before a suspension do not complete. */
  readonly #suspensions: number[] = [];
  readonly #idle: (() => void)[][] = [];

  constructor({ storage, queues = MAX_BLOCK_QUEUES, id = "vhost-user" }: BlockDeviceOptions) {
    this.#storage = storage;
    this.maxQueues = queues;
    new TextEncoder().encodeInto(id, this.#id);
    this.#server = new BlockServer({
      storage,
      id: this.#id,
      flushLater: (running, chain) => this.#flush(running, chain),
      counter: new Float64Array(this.#counter),
    });
    this.features =
      BlockFeature.SegMax |
      BlockFeature.BlockSize |
      BlockFeature.Topology |
      BlockFeature.Flush |
      BlockFeature.Mq |
      (storage.readOnly ? BlockFeature.ReadOnly : BlockFeature.Discard | BlockFeature.WriteZeroes);
    this.capabilities = {
      config: readOnlyConfig(BLOCK_CONFIG_SIZE, () =>
        blockConfig(storage.size / SECTOR_SIZE, queues),
      ),
      lifecycle: {
        attach: (session) => this.#attach(session),
        negotiated: (acknowledged) => this.#negotiated(acknowledged),
        close: () => this.#ignoreResize(),
      },
      draining: { quiesce: (index) => this.#quiesce(index) },
      suspension: { suspend: (index) => this.#suspend(index) },
      worker: { partFor: (index) => this.#partFor(index) },
      migration: blockState(storage),
    };
  }

  /** Requests that were taken from the rings so far, all queues together. */
  get requests(): number {
    let sum = 0;
    for (const each of [this.#counter, ...this.#workerCounters.values()])
      sum += new Float64Array(each)[0] ?? 0;
    return sum;
  }

  #attach(session: DeviceSession): void {
    this.#ignoreResize = this.#storage.onResize(() => session.configChanged());
  }

  #negotiated(features: bigint): void {
    this.#server.writeThrough = (features & BlockFeature.Flush) === 0n;
    this.#server.features = features;
  }

  process(running: RunningQueue): void {
    this.#server.serve(running, running.queue.size);
  }

  #partFor(index: number): WorkerPart {
    const { size, readOnly, isNull } = this.#storage;
    // The worker gets a duplicate: the owner of the storage may close it while the worker is still
    // in a system call.
    const fd = OwnedFd.duplicateOf(this.#storage.fd);
    const data: BlockWorkerData = {
      fd: fd.fd,
      size,
      readOnly,
      isNull,
      id: this.#id,
      writeThrough: this.#server.writeThrough,
      features: this.#server.features,
      counter: this.#workerCounter(index),
    };
    return { module: WORKER_MODULE, data, release: () => fd.close() };
  }

  async #quiesce(index: number): Promise<void> {
    if ((this.#flushes[index] ?? 0) === 0) return;
    await new Promise<void>((resolve) => {
      (this.#idle[index] ??= []).push(resolve);
    });
  }

  #suspend(index: number): void {
    this.#suspensions[index] = (this.#suspensions[index] ?? 0) + 1;
    this.#flushes[index] = 0;
  }

  #workerCounter(index: number): SharedArrayBuffer {
    const counter = this.#workerCounters.get(index) ?? new SharedArrayBuffer(64);
    this.#workerCounters.set(index, counter);
    return counter;
  }

  /**
   * Completes later: a disk may take a long time to flush, and other requests and the control socket
   * must not wait for it.
   */
  #flush(running: RunningQueue, chain: ChainCursor): void {
    const { index, queue } = running;
    const { id } = chain;
    const last = chain.spans.count - 1;
    const window = chain.spans.windows[last];
    const status = (chain.spans.offsets[last] ?? 0) + (chain.spans.lengths[last] ?? 0) - 1;
    const front = chain.writableBytes === 1;
    const suspensions = this.#suspensions[index];
    this.#flushes[index] = (this.#flushes[index] ?? 0) + 1;
    this.#storage.flush((succeeded) => {
      if (suspensions !== this.#suspensions[index]) return;
      // Unmapped memory has length 0.
      if (window !== undefined && window.bytes.length > 0) {
        window.bytes[status] = succeeded ? BlockStatus.Ok : BlockStatus.IoError;
        window.wrote(status, 1);
        queue.complete(id, front ? 1 : 0);
        running.publish();
      }
      this.#flushes[index] = (this.#flushes[index] ?? 1) - 1;
      if (this.#flushes[index] === 0)
        for (const resolve of this.#idle[index]?.splice(0) ?? []) resolve();
    });
  }
}

function blockConfig(sectors: number, queues: number): Uint8Array {
  return encodeBlockConfig({
    capacity: BigInt(sectors),
    sizeMax: 0,
    segMax: MAX_SEGMENTS,
    geometry: { cylinders: 0, heads: 0, sectors: 0 },
    blkSize: SECTOR_SIZE,
    physicalBlockExp: 3,
    alignmentOffset: 0,
    minIoSize: 1,
    optIoSize: 0,
    wce: 0,
    numQueues: queues,
    maxDiscardSectors: DISCARD_LIMITS.sectors,
    maxDiscardSeg: DISCARD_LIMITS.ranges,
    discardSectorAlignment: 8,
    maxWriteZeroesSectors: ZERO_LIMITS.sectors,
    maxWriteZeroesSeg: ZERO_LIMITS.ranges,
    writeZeroesMayUnmap: 1,
  });
}
