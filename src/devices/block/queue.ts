import { UsageError } from "../../base/index.ts";
import type { Client, ClientQueue } from "../../frontend/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import type { Completion } from "../../runtime/index.ts";
import { SegmentList } from "../../virtqueue/index.ts";
import { BlockRequest, HEADER_BYTES } from "./layout.ts";

/** Bytes in front of a slot's data: the request header, then the status byte. */
const SLOT_HEAD = 32;
const STATUS_OFFSET = HEADER_BYTES;
/** What no device answers: a status byte that stays like this was not written. */
const NO_STATUS = 0xff;

/** Who is told of a queue's completed requests. */
export interface BlockQueueHandler {
  /** @param status as the device wrote it; 255: it wrote none */
  done(slot: number, status: number): void;
  /** After a batch of completions. */
  batchDone?(): void;
  failed(error: Error): void;
}

export interface BlockQueueOptions {
  readonly index: number;
  /** Entries of the ring, a power of two. */
  readonly size: number;
  /** Requests at once. */
  readonly depth: number;
  /** Bytes of data that one request can carry. */
  readonly transferBytes: number;
  readonly completion: Completion;
}

/**
 * A request queue of a block device, for those who count nanoseconds: `depth` slots, each with
 * header, status and data buffer in shared memory, made once and reused. Nothing allocates per
 * request. The promise-based face of it is {@link BlockDriver}.
 */
export class BlockQueue {
  readonly depth: number;
  readonly transferBytes: number;
  /** Receives completions; may be exchanged while nothing is outstanding. */
  handler: BlockQueueHandler;
  readonly #queue: ClientQueue;
  readonly #slots: GuestBuffer[] = [];
  readonly #data: Uint8Array[] = [];
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #segments = new SegmentList(3);

  private constructor(client: Client, options: BlockQueueOptions, handler: BlockQueueHandler) {
    const { index, size, depth, transferBytes, completion } = options;
    // Without indirect descriptors a request takes three entries of the ring.
    const room = client.ringFeatures.indirect ? size : Math.floor(size / 3);
    if (!(depth > 0) || depth > room) {
      throw new UsageError(
        `expected a depth from 1 to ${room} for a queue of ${size} entries, got ${depth}; ` +
          `use a larger queue size`,
      );
    }
    this.depth = depth;
    this.transferBytes = transferBytes;
    this.handler = handler;
    for (let slot = 0; slot < depth; slot += 1) {
      const buffer = client.memory.allocate(SLOT_HEAD + transferBytes, 64);
      this.#slots.push(buffer);
      this.#data.push(buffer.bytes.subarray(SLOT_HEAD));
    }
    this.#free = Int32Array.from({ length: depth }, (_, i) => depth - 1 - i);
    this.#freeCount = depth;
    this.#queue = client.createQueue({
      index,
      size,
      completion,
      handler: {
        done: (slot) =>
          this.handler.done(slot, this.#slots[slot]?.bytes[STATUS_OFFSET] ?? NO_STATUS),
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
    await client.startQueue(queue.#queue);
    return queue;
  }

  /** Why nothing completes any more; to be looked at when the handler was exchanged. */
  get failure(): Error | undefined {
    return this.#queue.failure;
  }

  /** Requests that are out. */
  get outstanding(): number {
    return this.depth - this.#freeCount;
  }

  /** A free slot; -1: all are in use. */
  acquire(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    return this.#free[this.#freeCount] ?? -1;
  }

  /** Gives a slot back; its request must have completed. */
  release(slot: number): void {
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  /** The slot's data buffer, shared with the device. */
  data(slot: number): Uint8Array {
    const data = this.#data[slot];
    if (data === undefined)
      throw new RangeError(`expected a slot below ${this.depth}, got ${slot}`);
    return data;
  }

  /**
   * Prepares a request; {@link publish} sends it.
   *
   * @param length bytes of the slot's data buffer that go with it; 0 for a flush
   */
  submit(slot: number, type: BlockRequest, sector: number, length: number): void {
    const buffer = this.#slots[slot];
    if (buffer === undefined)
      throw new RangeError(`expected a slot below ${this.depth}, got ${slot}`);
    if (length > this.transferBytes) {
      throw new RangeError(`expected at most ${this.transferBytes} bytes of data, got ${length}`);
    }
    const { view, bytes } = buffer;
    const words = view.window.u32;
    const at = view.offset >>> 2;
    const high = Math.floor(sector / 2 ** 32);
    words[at] = type;
    words[at + 1] = 0;
    words[at + 2] = sector - high * 2 ** 32;
    words[at + 3] = high;
    bytes[STATUS_OFFSET] = NO_STATUS;
    const segments = this.#segments;
    segments.clear();
    segments.pushPart(buffer, 0, HEADER_BYTES);
    if (length > 0) segments.pushPart(buffer, SLOT_HEAD, length);
    segments.pushPart(buffer, STATUS_OFFSET, 1);
    const deviceWrites = type === BlockRequest.In || type === BlockRequest.GetId;
    const readable = deviceWrites ? 1 : segments.count - 1;
    if (!this.#queue.add(segments, readable, slot)) {
      throw new RangeError(
        "the ring is full or broken: more requests than slots, or a failed queue",
      );
    }
  }

  publish(): void {
    this.#queue.publish();
  }
}
