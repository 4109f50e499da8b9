import type { Client, ClientQueue } from "../../../frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import type { BlockRequest } from "../layout.ts";
import { BlockSlots, expectDepth } from "./slots.ts";

/** Receives the completed requests of a queue. */
export interface BlockQueueHandler {
  /** @param status as the device wrote it; 255: it wrote none */
  done(slot: number, status: number): void;
  /** Called after a batch of completions. */
  batchDone?(): void;
  failed(error: Error): void;
}

export interface BlockQueueOptions {
  readonly index: number;
  /** Number of entries of the ring, a power of two. */
  readonly size: number;
  /** Requests at once. */
  readonly depth: number;
  /** Most bytes of data in one request. */
  readonly transferBytes: number;
  readonly ringMode: RingMode;
}

/**
 * A request queue of a block device, for those who count nanoseconds. The promise-based face of it
 * is {@link BlockDriver}.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { BlockQueue, BlockRequest } from "vhost-user/devices/block";
 * import { RequestPipeline } from "vhost-user/virtqueue";
 *
 * const client = await Client.connect("disk.sock");
 * const options = { index: 0, size: 64, depth: 4, transferBytes: 4096 };
 * const pipeline = new RequestPipeline<BlockQueue>();
 * const queue = pipeline.add(
 *   (handler) => new BlockQueue(client, { ...options, ringMode: "event" }, handler),
 * );
 * await queue.begin(client);
 * const status = await pipeline.send({
 *   what: "a read of sector 0",
 *   submit: (each, slot) => {
 *     each.submit(slot, BlockRequest.In, 0, 512);
 *     each.publish();
 *   },
 *   complete: (_queue, _slot, detail) => detail,
 * });
 * console.log(status);
 * await client.close();
 * ```
 */
export class BlockQueue {
  readonly index: number;
  readonly depth: number;
  readonly transferBytes: number;
  /** Receives completions; may be exchanged while nothing is outstanding. */
  handler: BlockQueueHandler;
  readonly #queue: ClientQueue;
  readonly #slots: BlockSlots;

  /**
   * Makes the queue without starting it: a session that reconnects makes all queues before the
   * first starts.
   */
  constructor(client: Client, options: BlockQueueOptions, handler: BlockQueueHandler) {
    const { index, size, depth, transferBytes, ringMode } = options;
    expectDepth(depth, size, client.ringFeatures.indirect);
    this.index = index;
    this.depth = depth;
    this.transferBytes = transferBytes;
    this.handler = handler;
    const slots = new BlockSlots(client.memory, depth, transferBytes);
    this.#slots = slots;
    this.#queue = client.createQueue({
      index,
      size,
      ringMode,
      handler: {
        done: (slot) => this.handler.done(slot, slots.status(slot)),
        batchDone: () => this.handler.batchDone?.(),
        failed: (error) => this.handler.failed(error),
      },
    });
  }

  static async start(
    client: Client,
    options: BlockQueueOptions,
    handler: BlockQueueHandler,
  ): Promise<BlockQueue> {
    const queue = new BlockQueue(client, options, handler);
    await queue.begin(client);
    return queue;
  }

  /**
   * Starts the queue.
   *
   * @throws what `Client.startQueue` throws
   */
  async begin(client: Client): Promise<void> {
    await client.startQueue(this.#queue);
  }

  /** The reason why requests no longer complete; check it after the handler was replaced. */
  get failure(): Error | undefined {
    return this.#queue.failure;
  }

  /** Number of outstanding requests. */
  get outstanding(): number {
    return this.#slots.outstanding;
  }

  /** A free slot; -1: all are in use. */
  acquire(): number {
    return this.#slots.acquire();
  }

  /** Gives a slot back; its request must have completed. */
  release(slot: number): void {
    this.#slots.release(slot);
  }

  /** The slot's data buffer, shared with the device. */
  data(slot: number): Uint8Array {
    return this.#slots.data(slot);
  }

  /**
   * Prepares a request; {@link publish} sends it.
   *
   * @param length bytes of the slot's data buffer that go with it; 0 for a flush
   */
  submit(slot: number, type: BlockRequest, sector: number, length: number): void {
    this.#slots.prepare(slot, type, sector, length);
    this.#slots.put(this.#queue, slot);
  }

  publish(): void {
    this.#queue.publish();
  }
}
