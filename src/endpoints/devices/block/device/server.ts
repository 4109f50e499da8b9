import type {
  BackgroundRequests,
  RingServer,
  RunningQueue,
} from "../../../../core/runtime/index.ts";
import {
  canWrite,
  copyIn,
  copyOut,
  type QueueFault,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import {
  type BlockStorage,
  createEngine,
  type EngineName,
  IoKind,
  type IoRequest,
  type StorageEngine,
} from "../../../storage/index.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  HEADER_BYTES,
  ID_BYTES,
  RANGE_BYTES,
  SECTOR_SIZE,
  WRITE_ZEROES_UNMAP,
} from "../layout.ts";
import { logWritten, writeLastByte } from "./chain-io.ts";
import { DISCARD_LIMITS, ZERO_LIMITS } from "./limits.ts";
import type { BlockTask } from "./task.ts";
import { BlockTasks } from "./tasks.ts";

const { Flush, Discard, WriteZeroes } = BlockFeature;
const NO_FDS = new Int32Array(0);

export interface BlockServerOptions {
  readonly storage: BlockStorage;
  /** The answer to GET_ID, 20 bytes. */
  readonly id: Uint8Array;
  /** The way in which requests are carried out. */
  readonly engine: EngineName;
  /** True on an event loop, which gets completions; otherwise a thread waits for them. */
  readonly onEventLoop: boolean;
  /** One number, to which what is taken from a ring is added; another thread may read it. */
  readonly counter?: Float64Array | undefined;
}

/**
 * Carries the requests of block queues out, on the event loop or in a worker. Requests are started
 * as they are taken and complete in any order.
 */
export class BlockServer implements RingServer, BackgroundRequests {
  /** True if every completed write is stable: for a driver without VIRTIO_BLK_F_FLUSH. */
  writeThrough = true;
  /** The features that the driver acknowledged; undefined allows all. */
  features: bigint | undefined;
  readonly background: BackgroundRequests = this;
  readonly #storage: BlockStorage;
  readonly #id: Uint8Array;
  readonly #options: BlockServerOptions;
  readonly #counter: Float64Array;
  readonly #tasks = new BlockTasks();
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  /** Made with the first request: a session may come and go without one. */
  #engine: StorageEngine | undefined;
  /** The ring whose caller publishes what completes now. */
  #served: RunningQueue | undefined;
  /** Other rings with completions that are not published yet. */
  readonly #unpublished: RunningQueue[] = [];
  #closed = false;

  constructor(options: BlockServerOptions) {
    this.#options = options;
    this.#counter = options.counter ?? new Float64Array(1);
    this.#storage = options.storage;
    this.#id = options.id;
  }

  get inFlight(): number {
    return this.#engine?.inFlight ?? 0;
  }

  /** The storage may grow or shrink at any time. */
  get #sectors(): number {
    return this.#storage.size / SECTOR_SIZE;
  }

  serve(running: RunningQueue, budget: number): void {
    const { queue } = running;
    const engine = (this.#engine ??= this.#makeEngine());
    this.#served = running;
    if (engine.inFlight > 0) engine.collect();
    let left = budget;
    for (; left > 0; left -= 1) {
      const task = this.#tasks.take();
      if (!queue.next(task.chain)) {
        this.#tasks.release(task);
        break;
      }
      task.running = running;
      this.#begin(task, queue);
    }
    // The counter is written once per batch, as another thread reads its cache line.
    if (left < budget) this.#counter[0] = (this.#counter[0] ?? 0) + budget - left;
    if (engine.inFlight > 0) {
      engine.submit();
      engine.collect();
    }
    this.#served = undefined;
    if (this.#unpublished.length > 0) this.#publish();
  }

  wait(fds: Int32Array, ready: Int32Array, timeoutUs: number): void {
    this.#engine?.wait(fds, ready, timeoutUs);
  }

  forgetWatched(): void {
    this.#engine?.forgetWatched();
  }

  describe(index?: number): string {
    return this.#tasks.describe(index);
  }

  /** Resolves once no request of a ring is in flight. */
  async quiesce(index: number): Promise<void> {
    await this.#tasks.quiesce(index);
  }

  /** Leaves the requests of a ring in flight to the region that records them. */
  suspend(index: number): Promise<void> | undefined {
    return this.#tasks.suspend(index);
  }

  /** Waits in a worker for what a failure left in flight; on an event loop nothing may be. */
  close(): void {
    this.#closed = true;
    const engine = this.#engine;
    while (engine !== undefined && !this.#options.onEventLoop && engine.inFlight > 0)
      engine.wait(NO_FDS, NO_FDS, -1);
    engine?.close();
    this.#engine = undefined;
  }

  /**
   * Without a descriptor or memory for a ring, as many sessions may use up, system calls take over:
   * the session is served in any case.
   */
  #makeEngine(): StorageEngine {
    const { engine, onEventLoop } = this.#options;
    const options = {
      storage: this.#storage,
      onDone: (request: IoRequest) => this.#completed(request as BlockTask),
      onBatch: onEventLoop ? () => this.#publish() : undefined,
    };
    try {
      return createEngine(engine, options);
    } catch {
      return createEngine("sync", options);
    }
  }

  #publish(): void {
    for (const running of this.#unpublished.splice(0)) running.publish();
  }

  #begin(task: BlockTask, queue: ServedQueue): void {
    const { chain } = task;
    if (chain.writableBytes === 0) {
      // There is no byte for a status, so the driver could not notice the failure.
      queue.fail("a block request has no writable status byte", "5.2.6");
      this.#tasks.release(task);
      return;
    }
    if (chain.unreachable !== undefined) {
      this.#finishUnreachable(task, queue, chain.unreachable);
      return;
    }
    if (chain.readableBytes < HEADER_BYTES) {
      this.#finish(task, BlockStatus.IoError, 0);
      return;
    }
    copyOut(chain, 0, this.#header, HEADER_BYTES);
    const type = this.#headerView.getUint32(0, true);
    if (!this.#mayUse(queue, type)) {
      this.#finish(task, BlockStatus.Unsupported, 0);
      return;
    }
    const dataIn = chain.writableBytes - 1;
    const dataOut = chain.readableBytes - HEADER_BYTES;
    if (type === BlockRequest.In) this.#read(task, dataIn);
    else if (type === BlockRequest.Out) this.#write(task, dataOut);
    else if (type === BlockRequest.Flush) {
      task.kind = IoKind.Flush;
      task.written = 0;
      task.flushes = false;
      this.#start(task);
    } else if (type === BlockRequest.GetId) {
      const written = Math.min(dataIn, ID_BYTES);
      copyIn(chain, 0, this.#id, 0, written);
      if (written === dataIn) this.#finish(task, BlockStatus.Ok, written);
      else this.#finish(task, BlockStatus.IoError, 0);
    } else if (type === BlockRequest.Discard || type === BlockRequest.WriteZeroes)
      this.#changeRanges(task, dataOut, type);
    else this.#finish(task, BlockStatus.Unsupported, 0);
  }

  /** @param written data bytes in front of the status byte */
  #finish(task: BlockTask, status: number, written: number): void {
    const { chain, running } = task;
    writeLastByte(chain, status);
    // The used length counts written bytes from the front: a status behind unwritten data does not.
    const front = written === chain.writableBytes - 1;
    running?.queue.complete(chain.id, front ? written + 1 : written);
    this.#tasks.release(task);
  }

  /**
   * Returns whether a request of this type is served: the driver acknowledged it, or is tolerated.
   */
  #mayUse(queue: ServedQueue, type: number): boolean {
    const { features } = this;
    if (features === undefined) return true;
    if (type === BlockRequest.Flush)
      return (features & Flush) !== 0n || queue.tolerates("VIRTIO_BLK_F_FLUSH");
    if (type === BlockRequest.Discard)
      return (features & Discard) !== 0n || queue.tolerates("VIRTIO_BLK_F_DISCARD");
    if (type === BlockRequest.WriteZeroes)
      return (features & WriteZeroes) !== 0n || queue.tolerates("VIRTIO_BLK_F_WRITE_ZEROES");
    return true;
  }

  /**
   * Fails the request without executing any part of it. Without a status the driver could take it
   * for served.
   */
  #finishUnreachable(task: BlockTask, queue: ServedQueue, why: QueueFault): void {
    const { chain } = task;
    if (canWrite(chain, chain.writableBytes - 1, 1)) {
      this.#finish(task, BlockStatus.IoError, 0);
      return;
    }
    queue.fail(why.reason, why.section);
    this.#tasks.release(task);
  }

  #read(task: BlockTask, length: number): void {
    const position = this.#position(length);
    if (position < 0) {
      this.#finish(task, BlockStatus.IoError, 0);
      return;
    }
    task.kind = IoKind.Read;
    task.written = length;
    task.flushes = false;
    task.position = position;
    task.length = length;
    task.seek(task.chain.readableSpans, 0);
    this.#start(task);
  }

  #write(task: BlockTask, length: number): void {
    const position = this.#position(length);
    if (position < 0 || this.#storage.readOnly) {
      this.#finish(task, BlockStatus.IoError, 0);
      return;
    }
    task.kind = IoKind.Write;
    task.written = 0;
    task.flushes = this.writeThrough;
    task.rangeAt = 0;
    task.rangeEnd = 0;
    task.position = position;
    task.length = length;
    task.seek(0, HEADER_BYTES);
    this.#start(task);
  }

  #start(task: BlockTask): void {
    const engine = this.#engine;
    const { running } = task;
    if (engine === undefined || running === undefined) return;
    this.#tasks.start(task, running);
    if (!engine.start(task)) return;
    this.#tasks.end(task, running);
    this.#ended(task);
  }

  /** The engine has completed a task that it did not complete at once. */
  #completed(task: BlockTask): void {
    const { running } = task;
    if (task.suspended !== undefined) {
      this.#tasks.endSuspended(task);
      this.#tasks.release(task);
      return;
    }
    if (running === undefined) return;
    this.#tasks.end(task, running);
    if (running.closed || this.#closed || isUnmapped(task)) this.#tasks.release(task);
    else {
      this.#ended(task);
      // In a worker the loop publishes after each call.
      const isLate = this.#options.onEventLoop && running !== this.#served;
      if (isLate && !this.#unpublished.includes(running)) this.#unpublished.push(running);
    }
    this.#tasks.settle(running);
  }

  /** Continues with what follows a part of a request, or completes the request. */
  #ended(task: BlockTask): void {
    if (task.kind === IoKind.Read) logWritten(task.chain);
    if (task.error !== 0) {
      this.#finish(task, BlockStatus.IoError, 0);
      return;
    }
    if (task.kind > IoKind.Flush && this.#nextRange(task)) return;
    if (task.flushes) {
      task.flushes = false;
      task.kind = IoKind.Flush;
      this.#start(task);
      return;
    }
    this.#finish(task, BlockStatus.Ok, task.written);
  }

  /** Byte position of the request's sector; -1: the data is not whole sectors, or is outside of the disk. */
  #position(length: number): number {
    const sector =
      this.#headerView.getUint32(12, true) * 2 ** 32 + this.#headerView.getUint32(8, true);
    if (length % SECTOR_SIZE !== 0 || sector > this.#sectors - length / SECTOR_SIZE) return -1;
    return sector * SECTOR_SIZE;
  }

  #changeRanges(task: BlockTask, length: number, type: number): void {
    const status = this.#checkRanges(task, length, type);
    if (status !== BlockStatus.Ok) {
      this.#finish(task, status, 0);
      return;
    }
    task.kind = type === BlockRequest.Discard ? IoKind.Discard : IoKind.Zero;
    task.written = 0;
    task.flushes = this.writeThrough;
    task.rangeAt = 0;
    task.rangeEnd = length;
    task.error = 0;
    this.#ended(task);
  }

  /** Reads and checks all segments, so that a refused request changes nothing. Returns a status. */
  #checkRanges(task: BlockTask, length: number, type: number): number {
    if (this.#storage.readOnly) return BlockStatus.IoError;
    const limits = type === BlockRequest.WriteZeroes ? ZERO_LIMITS : DISCARD_LIMITS;
    const count = length / RANGE_BYTES;
    if (length % RANGE_BYTES !== 0 || count === 0 || count > limits.ranges)
      return BlockStatus.IoError;
    const view = task.room();
    copyOut(task.chain, HEADER_BYTES, new Uint8Array(view.buffer), length);
    const allowedFlags = type === BlockRequest.WriteZeroes ? WRITE_ZEROES_UNMAP : 0;
    for (let at = 0; at < length; at += RANGE_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const sectors = view.getUint32(at + 8, true);
      if ((view.getUint32(at + 12, true) & ~allowedFlags) !== 0) return BlockStatus.Unsupported;
      if (sectors > limits.sectors || sector > this.#sectors - sectors) return BlockStatus.IoError;
    }
    return BlockStatus.Ok;
  }

  /** Starts the next segment that is not empty. Returns false if there is none. */
  #nextRange(task: BlockTask): boolean {
    const view = task.room();
    while (task.rangeAt < task.rangeEnd) {
      const at = task.rangeAt;
      task.rangeAt += RANGE_BYTES;
      const sectors = view.getUint32(at + 8, true);
      if (sectors === 0) continue;
      const mayFree = (view.getUint32(at + 12, true) & WRITE_ZEROES_UNMAP) !== 0;
      if (task.kind !== IoKind.Discard) task.kind = mayFree ? IoKind.ZeroAndFree : IoKind.Zero;
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      task.position = sector * SECTOR_SIZE;
      task.length = sectors * SECTOR_SIZE;
      this.#start(task);
      return true;
    }
    return false;
  }
}

/** Memory that was unmapped has length 0. */
function isUnmapped({ chain: { spans } }: BlockTask): boolean {
  return spans.windows[spans.count - 1]?.bytes.length === 0;
}
