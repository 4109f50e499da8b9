import type { RingServer, RunningQueue } from "../../../../core/runtime/index.ts";
import {
  canWrite,
  type ChainCursor,
  copyIn,
  copyOut,
  createChainCursor,
  type QueueFault,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import { transfer, writeLastByte } from "./chain-io.ts";
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
import type { BlockStorage } from "../../../storage/index.ts";

const { Flush, Discard, WriteZeroes } = BlockFeature;

/** Most segments of a request that changes ranges, and most sectors of a segment. */
export interface RangeLimits {
  readonly ranges: number;
  readonly sectors: number;
}

/** 1 GiB in a segment: giving room back takes about the same time for any range. */
export const DISCARD_LIMITS: RangeLimits = { ranges: 16, sectors: 1 << 21 };
/** 4 MiB in a segment: where zeroes have to be written, other requests wait for them. */
export const ZERO_LIMITS: RangeLimits = { ranges: 16, sectors: 1 << 13 };

/** Takes a flush over: it completes the chain later. */
export type FlushLater = (running: RunningQueue, chain: ChainCursor) => void;

export interface BlockServerOptions {
  readonly storage: BlockStorage;
  /** The answer to GET_ID, 20 bytes. */
  readonly id: Uint8Array;
  /** Delays flushes. Default: a flush is executed at once, and the requests behind it wait. */
  readonly flushLater?: FlushLater | undefined;
  /** One number, to which what is taken from a ring is added; another thread may read it. */
  readonly counter?: Float64Array | undefined;
}

/** Carries the requests of block queues out, on the event loop or in a worker. */
export class BlockServer implements RingServer {
  /** True if every completed write is stable: for a driver without VIRTIO_BLK_F_FLUSH. */
  writeThrough = true;
  /** The features that the driver acknowledged; undefined allows all. */
  features: bigint | undefined;
  readonly #storage: BlockStorage;
  readonly #id: Uint8Array;
  readonly #flushLater: FlushLater | undefined;
  readonly #counter: Float64Array;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #ranges = new Uint8Array(DISCARD_LIMITS.ranges * RANGE_BYTES);
  readonly #rangesView = new DataView(this.#ranges.buffer);

  constructor({ storage, id, flushLater, counter }: BlockServerOptions) {
    this.#counter = counter ?? new Float64Array(1);
    this.#storage = storage;
    this.#id = id;
    this.#flushLater = flushLater;
  }

  /** The storage may grow or shrink at any time. */
  get #sectors(): number {
    return this.#storage.size / SECTOR_SIZE;
  }

  serve(running: RunningQueue, budget: number): void {
    const { queue } = running;
    let left = budget;
    for (; left > 0 && queue.next(this.#chain); left -= 1) this.#serve(running, this.#chain);
    // The counter is written once per batch, as another thread reads its cache line.
    if (left < budget) this.#counter[0] = (this.#counter[0] ?? 0) + budget - left;
  }

  #serve(running: RunningQueue, chain: ChainCursor): void {
    const { queue } = running;
    if (chain.writableBytes === 0) {
      // There is no byte for a status, so the driver could not notice the failure.
      queue.fail("a block request has no writable status byte", "5.2.6");
      return;
    }
    if (chain.unreachable !== undefined) {
      this.#finishUnreachable(queue, chain, chain.unreachable);
      return;
    }
    if (chain.readableBytes < HEADER_BYTES) {
      this.#finish(queue, chain, BlockStatus.IoError, 0);
      return;
    }
    copyOut(chain, 0, this.#header, HEADER_BYTES);
    const type = this.#headerView.getUint32(0, true);
    if (!this.#mayUse(queue, type)) {
      this.#finish(queue, chain, BlockStatus.Unsupported, 0);
      return;
    }
    if (type === BlockRequest.Flush) {
      if (this.#flushLater) this.#flushLater(running, chain);
      else this.#finish(queue, chain, this.#sync(), 0);
      return;
    }
    const dataIn = chain.writableBytes - 1;
    const dataOut = chain.readableBytes - HEADER_BYTES;
    let written = 0;
    let status: number = BlockStatus.Unsupported;
    if (type === BlockRequest.In) {
      status = this.#read(chain, dataIn);
      written = dataIn;
    } else if (type === BlockRequest.Out) {
      status = this.#write(chain, dataOut);
    } else if (type === BlockRequest.GetId) {
      written = Math.min(dataIn, ID_BYTES);
      copyIn(chain, 0, this.#id, 0, written);
      status = written === dataIn ? BlockStatus.Ok : BlockStatus.IoError;
    } else if (type === BlockRequest.Discard || type === BlockRequest.WriteZeroes) {
      status = this.#changeRanges(chain, dataOut, type);
    }
    this.#finish(queue, chain, status, status === BlockStatus.Ok ? written : 0);
  }

  /** @param written data bytes in front of the status byte */
  #finish(queue: ServedQueue, chain: ChainCursor, status: number, written: number): void {
    writeLastByte(chain, status);
    // The used length counts written bytes from the front: a status behind unwritten data does not.
    const front = written === chain.writableBytes - 1;
    queue.complete(chain.id, front ? written + 1 : written);
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
  #finishUnreachable(queue: ServedQueue, chain: ChainCursor, why: QueueFault): void {
    if (canWrite(chain, chain.writableBytes - 1, 1))
      this.#finish(queue, chain, BlockStatus.IoError, 0);
    else queue.fail(why.reason, why.section);
  }

  #read(chain: ChainCursor, length: number): number {
    const position = this.#position(length);
    if (position < 0) return BlockStatus.IoError;
    const read = transfer(this.#storage, chain, false, 0, length, position);
    return read ? BlockStatus.Ok : BlockStatus.IoError;
  }

  #write(chain: ChainCursor, length: number): number {
    const position = this.#position(length);
    if (position < 0 || this.#storage.readOnly) return BlockStatus.IoError;
    if (!transfer(this.#storage, chain, true, HEADER_BYTES, length, position)) {
      return BlockStatus.IoError;
    }
    return this.writeThrough ? this.#sync() : BlockStatus.Ok;
  }

  /** Byte position of the request's sector; -1: the data is not whole sectors, or is outside of the disk. */
  #position(length: number): number {
    const sector =
      this.#headerView.getUint32(12, true) * 2 ** 32 + this.#headerView.getUint32(8, true);
    if (length % SECTOR_SIZE !== 0 || sector > this.#sectors - length / SECTOR_SIZE) return -1;
    return sector * SECTOR_SIZE;
  }

  #changeRanges(chain: ChainCursor, length: number, type: number): number {
    if (this.#storage.readOnly) return BlockStatus.IoError;
    const limits = type === BlockRequest.WriteZeroes ? ZERO_LIMITS : DISCARD_LIMITS;
    const count = length / RANGE_BYTES;
    if (length % RANGE_BYTES !== 0 || count === 0 || count > limits.ranges)
      return BlockStatus.IoError;
    copyOut(chain, HEADER_BYTES, this.#ranges, length);
    const view = this.#rangesView;
    const allowedFlags = type === BlockRequest.WriteZeroes ? WRITE_ZEROES_UNMAP : 0;
    // All segments are checked before the first is executed: a refused request changes nothing.
    for (let at = 0; at < length; at += RANGE_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const sectors = view.getUint32(at + 8, true);
      if ((view.getUint32(at + 12, true) & ~allowedFlags) !== 0) return BlockStatus.Unsupported;
      if (sectors > limits.sectors || sector > this.#sectors - sectors) return BlockStatus.IoError;
    }
    try {
      for (let at = 0; at < length; at += RANGE_BYTES) {
        const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
        const bytes = view.getUint32(at + 8, true) * SECTOR_SIZE;
        if (bytes === 0) continue;
        const mayFree = (view.getUint32(at + 12, true) & WRITE_ZEROES_UNMAP) !== 0;
        if (type === BlockRequest.Discard) this.#storage.discard(sector * SECTOR_SIZE, bytes);
        else this.#storage.zero(sector * SECTOR_SIZE, bytes, mayFree);
      }
    } catch {
      return BlockStatus.IoError;
    }
    return this.writeThrough ? this.#sync() : BlockStatus.Ok;
  }

  #sync(): number {
    return this.#storage.flushSync() ? BlockStatus.Ok : BlockStatus.IoError;
  }
}
