import { SegmentList, SlotPool } from "../../../../core/virtqueue/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { Client, ClientQueue, SlotHandler, SlotQueue } from "../../../frontend/index.ts";

/** Requests at the same time. */
const DEPTH = 4;
/** Bytes of the buffer of one request. */
export const BUFFER_BYTES = 4096;

/** The request queue of an entropy device: a slot is a buffer in shared memory. */
export class RngQueue implements SlotQueue {
  readonly queue: ClientQueue;
  readonly #buffers: readonly GuestBuffer[];
  readonly #pool = new SlotPool(DEPTH);
  readonly #segments = new SegmentList(1);

  constructor(client: Client, handler: SlotHandler) {
    this.#buffers = Array.from({ length: DEPTH }, () => client.memory.allocate(BUFFER_BYTES));
    this.queue = client.createQueue({ index: 0, size: 2 * DEPTH, ringMode: "event", handler });
  }

  get failure(): Error | undefined {
    return this.queue.failure;
  }

  acquire(): number {
    return this.#pool.acquire();
  }

  release(slot: number): void {
    this.#pool.release(slot);
  }

  /** Asks for up to `length` random bytes. */
  submit(slot: number, length: number): void {
    const buffer = this.#buffers[slot];
    if (buffer === undefined) throw new RangeError(`slot ${slot} does not exist`);
    this.#segments.clear();
    this.#segments.pushPart(buffer, 0, length);
    this.queue.add(this.#segments, 0, slot);
    this.queue.publish();
  }

  /** Returns a copy of the first bytes of a slot's buffer. */
  bytes(slot: number, length: number): Uint8Array {
    return this.#buffers[slot]?.bytes.slice(0, length) ?? new Uint8Array();
  }
}
