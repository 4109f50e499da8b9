import type { Client, ClientQueue, SlotHandler } from "../../../frontend/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { SegmentList, SlotPool } from "../../../../core/virtqueue/index.ts";
import { FUSE_NAME_MAX, replyHeader, requestHeader } from "../layout.ts";

/** Header and the longest arguments: a name with its NUL; rounded up. */
const REQUEST_BYTES = (requestHeader.size + FUSE_NAME_MAX + 1 + 15) & ~15;

export interface FsQueueOptions {
  readonly index: number;
  /** Requests at once. */
  readonly depth: number;
  /** Bytes of the largest reply, without its header; 0 for a queue of requests without reply. */
  readonly replyBytes: number;
  readonly ringMode: RingMode;
}

/**
 * A queue of a file system device: `depth` slots, each with room for a request and its reply in
 * shared memory, made once and reused.
 */
export class FsQueue {
  readonly #queue: ClientQueue;
  readonly #slots: GuestBuffer[] = [];
  readonly #pool: SlotPool;
  readonly #segments = new SegmentList(2);

  /** Makes a queue; {@link start} starts it. */
  constructor(client: Client, options: FsQueueOptions, handler: SlotHandler) {
    const { index, depth, replyBytes, ringMode } = options;
    const bytes = REQUEST_BYTES + replyHeader.size + replyBytes;
    for (let slot = 0; slot < depth; slot += 1) {
      this.#slots.push(client.memory.allocate(bytes, 64));
    }
    this.#pool = new SlotPool(depth);
    // Without indirect descriptors a request takes two entries of the ring.
    const size = Math.max(16, 2 ** Math.ceil(Math.log2(depth * 2)));
    this.#queue = client.createQueue({ index, size, ringMode, handler });
  }

  /**
   * Starts the queue.
   *
   * @throws what `Client.startQueue` throws
   */
  async start(client: Client): Promise<void> {
    await client.startQueue(this.#queue);
  }

  /** The reason why requests no longer complete. */
  get failure(): Error | undefined {
    return this.#queue.failure;
  }

  /** A free slot; -1: all are in use. */
  acquire(): number {
    return this.#pool.acquire();
  }

  /** Gives a slot back; its request must have completed. */
  release(slot: number): void {
    this.#pool.release(slot);
  }

  /**
   * Sends a request.
   *
   * @param request header and arguments
   * @param replyBytes room for the reply with its header; 0: the request has none
   */
  submit(slot: number, request: Uint8Array, replyBytes: number): void {
    const buffer = this.#slots[slot];
    if (buffer === undefined) throw new RangeError(`slot ${slot} does not exist`);
    if (request.length > REQUEST_BYTES || REQUEST_BYTES + replyBytes > buffer.bytes.length) {
      throw new RangeError(
        `a request of ${request.length} bytes and a reply of ${replyBytes} do not fit a slot, ` +
          `which has ${REQUEST_BYTES} bytes for requests and ${buffer.bytes.length} in all`,
      );
    }
    buffer.bytes.set(request);
    // Bytes of an earlier reply must not be taken for this one.
    buffer.bytes.fill(0, REQUEST_BYTES, REQUEST_BYTES + replyHeader.size);
    const segments = this.#segments;
    segments.clear();
    segments.pushPart(buffer, 0, request.length);
    if (replyBytes > 0) segments.pushPart(buffer, REQUEST_BYTES, replyBytes);
    if (!this.#queue.add(segments, 1, slot)) {
      throw new RangeError("the ring is full or broken: more requests than slots, or it failed");
    }
    this.#queue.publish();
  }

  /** A copy of a reply's first bytes: the device may still change what it shares. */
  reply(slot: number, length: number): Uint8Array {
    return (
      this.#slots[slot]?.bytes.slice(REQUEST_BYTES, REQUEST_BYTES + length) ?? new Uint8Array()
    );
  }
}
