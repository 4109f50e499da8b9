import {
  type Device,
  type DeviceCapabilities,
  type DeviceSession,
  readOnlyConfig,
} from "../../../backend/index.ts";
import type { RunningQueue, WorkerPart } from "../../../../core/runtime/index.ts";
import { OwnedFd } from "../../../../core/os/index.ts";
import { BLOCK_CONFIG_SIZE, encodeBlockConfig } from "../config.ts";
import { blockState } from "./state.ts";
import { DISCARD_LIMITS, ZERO_LIMITS } from "./limits.ts";
import { BlockServer } from "./server.ts";
import { BlockFeature, ID_BYTES, MAX_BLOCK_QUEUES, SECTOR_SIZE } from "../layout.ts";
import { type BlockStorage, chooseEngine, type EngineName } from "../../../storage/index.ts";
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
  readonly direct: boolean;
  readonly engine: EngineName;
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
  /** The way in which requests are carried out. Default: `chooseEngine` for the storage. */
  readonly engine?: EngineName;
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
  readonly #engine: EngineName;

  constructor({
    storage,
    queues = MAX_BLOCK_QUEUES,
    id = "vhost-user",
    engine = chooseEngine("auto", storage, false).name,
  }: BlockDeviceOptions) {
    this.#engine = engine;
    this.#storage = storage;
    this.maxQueues = queues;
    new TextEncoder().encodeInto(id, this.#id);
    this.#server = new BlockServer({
      storage,
      id: this.#id,
      engine,
      onEventLoop: true,
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
        close: () => this.#close(),
      },
      draining: {
        quiesce: (index) => this.#server.quiesce(index),
        describe: (index) => this.#server.describe(index),
      },
      suspension: { suspend: (index) => this.#server.suspend(index) },
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

  #close(): void {
    this.#ignoreResize();
    this.#server.close();
  }

  /** Node's thread pool completes requests on the event loop, so rings stay there with it. */
  #partFor(index: number): WorkerPart | undefined {
    if (this.#engine === "threads") return undefined;
    const { size, readOnly, isNull, direct } = this.#storage;
    // The worker gets a duplicate: the owner of the storage may close it while the worker is still
    // in a system call.
    const fd = OwnedFd.duplicateOf(this.#storage.fd);
    const data: BlockWorkerData = {
      fd: fd.fd,
      size,
      readOnly,
      isNull,
      direct,
      engine: this.#engine,
      id: this.#id,
      writeThrough: this.#server.writeThrough,
      features: this.#server.features,
      counter: this.#workerCounter(index),
    };
    return { module: WORKER_MODULE, data, release: () => fd.close() };
  }

  #workerCounter(index: number): SharedArrayBuffer {
    const counter = this.#workerCounters.get(index) ?? new SharedArrayBuffer(64);
    this.#workerCounters.set(index, counter);
    return counter;
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
