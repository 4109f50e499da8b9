import {
  counted,
  DeviceError,
  onAbort,
  UsageError,
  type WaitOptions,
} from "../../../../core/base/index.ts";
import { type Client, RequestPipeline } from "../../../frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import type { BlockConfig } from "../config.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  ID_BYTES,
  RANGE_BYTES,
  SECTOR_SIZE,
  WRITE_ZEROES_UNMAP,
} from "../layout.ts";
import { CurrentConfig } from "./current-config.ts";
import { BlockQueue } from "./queue.ts";

export interface BlockDriverOptions {
  /** Request queues to use, 1 to what the device has. Default 1. */
  readonly queues?: number;
  /** Number of entries of each ring, a power of two. Default: the smallest that fits the depth. */
  readonly queueSize?: number;
  /** Requests at once on each queue. Default 16. */
  readonly depth?: number;
  /** Bytes of the largest request; longer reads and writes are split. Default 64 KiB. */
  readonly transferBytes?: number;
  /** Default `event`. */
  readonly ringMode?: RingMode;
}

/**
 * Drives a block device (VIRTIO 5.2) on the queues of a client. Offsets and lengths are in bytes,
 * multiples of 512. Requests may have any length and number; those that do not fit the ring wait.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { BLOCK_DRIVER_FEATURES, BlockDriver } from "vhost-user/devices/block";
 *
 * const client = await Client.connect("disk.sock", { deviceFeatures: BLOCK_DRIVER_FEATURES });
 * const disk = await BlockDriver.start(client);
 * await disk.write(0, new Uint8Array(4096).fill(1));
 * await disk.flush();
 * console.log(disk.size, await disk.read(0, 512));
 * await client.close();
 * ```
 */
export class BlockDriver {
  readonly #config: CurrentConfig;
  readonly #client: Client;
  readonly #pipeline = new RequestPipeline<BlockQueue>();

  private constructor(client: Client, config: CurrentConfig) {
    this.#client = client;
    this.#config = config;
  }

  /** The configuration space, as it was read at the start or after its last change. */
  get config(): BlockConfig {
    return this.#config.value;
  }

  get queues(): readonly BlockQueue[] {
    return this.#pipeline.queues;
  }

  /**
   * Reads the configuration and starts the queues of a client that was brought up with
   * {@link BLOCK_DRIVER_FEATURES}.
   *
   * @throws {UsageError} more queues than the device has, a depth that does not fit the ring
   */
  static async start(client: Client, options: BlockDriverOptions = {}): Promise<BlockDriver> {
    const current = await CurrentConfig.of(client);
    const config = current.value;
    const { queues: count = 1, depth = 16, ringMode = "event" } = options;
    const available =
      (client.features & BlockFeature.Mq) === 0n ? 1 : Math.max(1, config.numQueues);
    if (!(count >= 1) || count > available) {
      throw new UsageError(
        `queues must be at least 1 and at most ${available}, as many as the device has, not ${count}`,
      );
    }
    const driver = new BlockDriver(client, current);
    const perRequest = client.ringFeatures.indirect ? 1 : 3;
    const size = options.queueSize ?? Math.max(16, 2 ** Math.ceil(Math.log2(depth * perRequest)));
    const transferBytes = driver.#transferBytes(options.transferBytes ?? 65_536);
    for (let index = 0; index < count; index += 1) {
      const queueOptions = { index, size, depth, ringMode, transferBytes };
      driver.#pipeline.add((handler) => new BlockQueue(client, queueOptions, handler));
    }
    for (const queue of driver.queues) await queue.begin(client);
    return driver;
  }

  /** Size in bytes. */
  get size(): number {
    return Number(this.config.capacity) * SECTOR_SIZE;
  }

  get readOnly(): boolean {
    return (this.#client.features & BlockFeature.ReadOnly) !== 0n;
  }

  /** @throws {DeviceError | TimeoutError | UsageError | QueueError | PeerClosedError} */
  async read(offset: number, length: number, wait?: WaitOptions): Promise<Uint8Array> {
    this.#expectRange(offset, length);
    const result = new Uint8Array(length);
    await this.#inParts(length, wait, (at, bytes, partWait) =>
      this.#request(BlockRequest.In, offset + at, bytes, undefined, partWait, (data) =>
        result.set(data.subarray(0, bytes), at),
      ),
    );
    return result;
  }

  /**
   * Writes data. The device has received it once this resolves; {@link flush} makes it durable.
   *
   * @throws {DeviceError | TimeoutError | UsageError | QueueError | PeerClosedError}
   */
  async write(offset: number, data: Uint8Array, wait?: WaitOptions): Promise<void> {
    this.#expectRange(offset, data.length);
    await this.#inParts(data.length, wait, (at, bytes, partWait) =>
      this.#request(BlockRequest.Out, offset + at, bytes, data.subarray(at, at + bytes), partWait),
    );
  }

  /**
   * Makes earlier writes durable: they survive a loss of power.
   *
   * @throws {DeviceError | TimeoutError | UsageError | QueueError | PeerClosedError}
   */
  async flush(wait?: WaitOptions): Promise<void> {
    if ((this.#client.features & BlockFeature.Flush) === 0n) return;
    await this.#request(BlockRequest.Flush, 0, 0, undefined, wait);
  }

  /**
   * Reads the device's name for itself, up to 20 characters.
   *
   * @throws {DeviceError | TimeoutError | UsageError | QueueError | PeerClosedError}
   */
  async id(wait?: WaitOptions): Promise<string> {
    let id = "";
    await this.#request(BlockRequest.GetId, 0, ID_BYTES, undefined, wait, (data) => {
      const bytes = data.slice(0, ID_BYTES);
      const end = bytes.indexOf(0);
      id = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
    });
    return id;
  }

  /**
   * Reports that a range is no longer needed.
   *
   * @throws {DeviceError | TimeoutError | UsageError | QueueError | PeerClosedError}
   */
  async discard(offset: number, length: number, wait?: WaitOptions): Promise<void> {
    this.#expectFeature(BlockFeature.Discard, "VIRTIO_BLK_F_DISCARD");
    const { maxDiscardSectors } = this.config;
    await this.#ranges(BlockRequest.Discard, offset, length, maxDiscardSectors, 0, wait);
  }

  /**
   * Makes a range read as zeroes.
   *
   * @param unmap allows the device to deallocate the range
   */
  async writeZeroes(
    offset: number,
    length: number,
    { unmap = false, ...wait }: WaitOptions & { unmap?: boolean } = {},
  ): Promise<void> {
    this.#expectFeature(BlockFeature.WriteZeroes, "VIRTIO_BLK_F_WRITE_ZEROES");
    const { maxWriteZeroesSectors } = this.config;
    const flags = unmap ? WRITE_ZEROES_UNMAP : 0;
    await this.#ranges(
      BlockRequest.WriteZeroes,
      offset,
      length,
      maxWriteZeroesSectors,
      flags,
      wait,
    );
  }

  #transferBytes(wanted: number): number {
    const { sizeMax } = this.config;
    const limited = (this.#client.features & BlockFeature.SizeMax) !== 0n && sizeMax > 0;
    const bytes = limited ? Math.min(wanted, sizeMax) : wanted;
    return Math.max(SECTOR_SIZE, bytes - (bytes % SECTOR_SIZE));
  }

  #expectFeature(feature: bigint, name: string): void {
    if ((this.#client.features & feature) === 0n) {
      throw new UsageError(
        `the device does not offer ${name}; do without it, or have the back-end offer it`,
      );
    }
  }

  /** Sends any number of requests at once; when one fails, the rest are abandoned. */
  async #inParts(
    length: number,
    { signal, timeoutMs }: WaitOptions = {},
    request: (at: number, bytes: number, wait: WaitOptions) => Promise<void>,
  ): Promise<void> {
    const stop = new AbortController();
    const ignoreSignal = onAbort(signal, () => stop.abort(signal?.reason));
    if (signal?.aborted) stop.abort(signal.reason);
    const wait = { signal: stop.signal, timeoutMs };
    const step = this.queues[0]?.transferBytes ?? SECTOR_SIZE;
    const requests: Promise<void>[] = [];
    try {
      for (let at = 0; at < length; at += step) {
        requests.push(request(at, Math.min(step, length - at), wait));
      }
      await Promise.all(requests);
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      ignoreSignal();
    }
  }

  #expectRange(offset: number, length: number): void {
    if (offset % SECTOR_SIZE !== 0 || length % SECTOR_SIZE !== 0 || offset < 0 || length < 0) {
      throw new UsageError(
        `offset and length must be multiples of ${SECTOR_SIZE}, not ${offset} and ${length}`,
      );
    }
    if (offset + length > this.size) {
      throw new UsageError(
        `${counted(length, "byte")} at ${offset} go beyond the end of the disk, which has ${counted(this.size, "byte")}`,
      );
    }
  }

  async #ranges(
    type: BlockRequest,
    offset: number,
    length: number,
    maxSectors: number,
    flags: number,
    wait: WaitOptions | undefined,
  ): Promise<void> {
    this.#expectRange(offset, length);
    const step = Math.max(1, Math.min(maxSectors, 0xffff_ffff / SECTOR_SIZE)) * SECTOR_SIZE;
    for (let at = 0; at < length; at += step) {
      const range = new Uint8Array(RANGE_BYTES);
      const view = new DataView(range.buffer);
      view.setBigUint64(0, BigInt((offset + at) / SECTOR_SIZE), true);
      view.setUint32(8, Math.min(step, length - at) / SECTOR_SIZE, true);
      view.setUint32(12, flags, true);
      await this.#request(type, 0, RANGE_BYTES, range, wait);
    }
  }

  async #request(
    type: BlockRequest,
    offset: number,
    length: number,
    data: Uint8Array | undefined,
    wait: WaitOptions = {},
    collect: (data: Uint8Array) => void = () => undefined,
  ): Promise<void> {
    const what = `block request ${type} at byte ${offset}`;
    await this.#pipeline.send(
      {
        what,
        submit: (queue, slot) => {
          if (data !== undefined) queue.data(slot).set(data);
          queue.submit(slot, type, offset / SECTOR_SIZE, length);
          queue.publish();
        },
        complete: (queue, slot, status) => {
          if (status === BlockStatus.Ok) return collect(queue.data(slot));
          const message = `${what}: the device answered ${blockStatusName(status)}`;
          throw new DeviceError(status, message);
        },
      },
      wait,
    );
  }
}

/** The configuration space, as much of it as the back-end gives. */
