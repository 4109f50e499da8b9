import { fdatasync, fdatasyncSync } from "node:fs";
import type { Device, DeviceConfig, RunningQueue } from "../../backend/index.ts";
import { type ChainCursor, copyIn, copyOut, createChainCursor } from "../../virtqueue/index.ts";
import { transfer, writeLastByte } from "./chain-io.ts";
import { BLOCK_CONFIG_SIZE, encodeBlockConfig } from "./config.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  HEADER_BYTES,
  ID_BYTES,
  RANGE_BYTES,
  SECTOR_SIZE,
  WRITE_ZEROES_UNMAP,
} from "./layout.ts";
import type { BlockStorage } from "./storage.ts";

const MAX_QUEUE_SIZE = 1024;
const MAX_RANGES = 16;
/** Sectors of one discard or write-zeroes segment: 1 GiB. */
const MAX_RANGE_SECTORS = 1 << 21;
/** 16-bit: a request's header, status byte and this many data segments fit a queue of 128. */
const MAX_SEGMENTS = 126;

export interface BlockDeviceOptions {
  /** Shared with other sessions; not closed with the device. */
  readonly storage: BlockStorage;
  /** Request queues that are offered. Default 1. */
  readonly queues?: number;
  /** The answer to GET_ID, up to 20 bytes. */
  readonly id?: string;
}

/** A block device (VIRTIO 5.2) over a file or memory. Data moves without a copy in this process. */
export class BlockDevice implements Device {
  readonly type = "block";
  readonly features: bigint;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly config: DeviceConfig;
  readonly #storage: BlockStorage;
  readonly #sectors: number;
  readonly #id = new Uint8Array(ID_BYTES);
  readonly #chain: ChainCursor = createChainCursor();
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #ranges = new Uint8Array(MAX_RANGES * RANGE_BYTES);
  readonly #rangesView = new DataView(this.#ranges.buffer);
  /** Flushes under way, by queue, and who waits for there to be none. */
  readonly #flushes: number[] = [];
  readonly #idle: (() => void)[][] = [];
  /** A driver without VIRTIO_BLK_F_FLUSH takes every completed write for stable. */
  #writeThrough = true;

  constructor({ storage, queues = 1, id = "vhost-user" }: BlockDeviceOptions) {
    this.#storage = storage;
    this.#sectors = storage.size / SECTOR_SIZE;
    this.maxQueues = queues;
    new TextEncoder().encodeInto(id, this.#id);
    this.features =
      BlockFeature.SegMax |
      BlockFeature.BlockSize |
      BlockFeature.Topology |
      BlockFeature.Flush |
      BlockFeature.Mq |
      (storage.readOnly ? BlockFeature.ReadOnly : BlockFeature.Discard | BlockFeature.WriteZeroes);
    this.config = readOnlyConfig(blockConfig(this.#sectors, queues));
  }

  negotiated(features: bigint): void {
    this.#writeThrough = (features & BlockFeature.Flush) === 0n;
  }

  process(running: RunningQueue): void {
    const { queue } = running;
    for (let budget = queue.size; budget > 0 && queue.next(this.#chain); budget -= 1) {
      this.#serve(running, this.#chain);
    }
  }

  async quiesce(index: number): Promise<void> {
    if ((this.#flushes[index] ?? 0) === 0) return;
    await new Promise<void>((resolve) => {
      (this.#idle[index] ??= []).push(resolve);
    });
  }

  #serve(running: RunningQueue, chain: ChainCursor): void {
    if (chain.writableBytes === 0) {
      // There is no byte to put a status into, so the driver could never learn of the failure.
      running.queue.fail("expected a writable status byte in a block request, got none", "5.2.6");
      return;
    }
    if (chain.readableBytes < HEADER_BYTES) {
      this.#finish(running, chain, BlockStatus.IoError, 0);
      return;
    }
    copyOut(chain, 0, this.#header, HEADER_BYTES);
    const type = this.#headerView.getUint32(0, true);
    if (type === BlockRequest.Flush) {
      this.#flush(running, chain);
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
    this.#finish(running, chain, status, status === BlockStatus.Ok ? written : 0);
  }

  /** @param written data bytes in front of the status byte */
  #finish(running: RunningQueue, chain: ChainCursor, status: number, written: number): void {
    writeLastByte(chain, status);
    // The used length counts written bytes from the front: a status behind unwritten data does not.
    const front = written === chain.writableBytes - 1;
    running.queue.complete(chain.id, front ? written + 1 : written);
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
    return this.#writeThrough ? this.#sync() : BlockStatus.Ok;
  }

  /** Byte position of the request's sector; -1: the data is no whole sectors or leaves the disk. */
  #position(length: number): number {
    const sector =
      this.#headerView.getUint32(12, true) * 2 ** 32 + this.#headerView.getUint32(8, true);
    if (length % SECTOR_SIZE !== 0 || sector > this.#sectors - length / SECTOR_SIZE) return -1;
    return sector * SECTOR_SIZE;
  }

  #changeRanges(chain: ChainCursor, length: number, type: number): number {
    if (this.#storage.readOnly) return BlockStatus.IoError;
    const count = length / RANGE_BYTES;
    if (length % RANGE_BYTES !== 0 || count === 0 || count > MAX_RANGES) return BlockStatus.IoError;
    copyOut(chain, HEADER_BYTES, this.#ranges, length);
    const view = this.#rangesView;
    const allowedFlags = type === BlockRequest.WriteZeroes ? WRITE_ZEROES_UNMAP : 0;
    // All are looked at before the first is carried out: a refused request changes nothing.
    for (let at = 0; at < length; at += RANGE_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const sectors = view.getUint32(at + 8, true);
      if ((view.getUint32(at + 12, true) & ~allowedFlags) !== 0) return BlockStatus.Unsupported;
      if (sectors > MAX_RANGE_SECTORS || sector > this.#sectors - sectors)
        return BlockStatus.IoError;
    }
    try {
      for (let at = 0; at < length; at += RANGE_BYTES) {
        const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
        const bytes = view.getUint32(at + 8, true) * SECTOR_SIZE;
        if (bytes === 0) continue;
        if (type === BlockRequest.Discard) this.#storage.discard(sector * SECTOR_SIZE, bytes);
        else this.#storage.zero(sector * SECTOR_SIZE, bytes);
      }
    } catch {
      return BlockStatus.IoError;
    }
    return this.#writeThrough ? this.#sync() : BlockStatus.Ok;
  }

  #sync(): number {
    try {
      fdatasyncSync(this.#storage.fd);
      return BlockStatus.Ok;
    } catch {
      return BlockStatus.IoError;
    }
  }

  /**
   * Completes later: a disk may take a long time to flush, and other requests and the control socket
   * must not wait for it.
   */
  #flush(running: RunningQueue, chain: ChainCursor): void {
    const { index, queue } = running;
    const { id } = chain;
    const last = chain.spans.count - 1;
    const bytes = chain.spans.windows[last]?.bytes;
    const status = (chain.spans.offsets[last] ?? 0) + (chain.spans.lengths[last] ?? 0) - 1;
    const front = chain.writableBytes === 1;
    this.#flushes[index] = (this.#flushes[index] ?? 0) + 1;
    fdatasync(this.#storage.fd, (error) => {
      if (bytes !== undefined && bytes.length > 0) {
        bytes[status] = error === null ? BlockStatus.Ok : BlockStatus.IoError;
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
    maxDiscardSectors: MAX_RANGE_SECTORS,
    maxDiscardSeg: MAX_RANGES,
    discardSectorAlignment: 8,
    maxWriteZeroesSectors: MAX_RANGE_SECTORS,
    maxWriteZeroesSeg: MAX_RANGES,
    writeZeroesMayUnmap: 1,
  });
}

/** Nothing in it may be changed by a driver; a write of what already stands there is accepted. */
function readOnlyConfig(bytes: Uint8Array): DeviceConfig {
  return {
    size: BLOCK_CONFIG_SIZE,
    read: (offset, out) => out.set(bytes.subarray(offset, offset + out.length)),
    write: (offset, written) => written.every((byte, i) => byte === bytes[offset + i]),
  };
}
