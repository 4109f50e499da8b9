import type { Client, ClientQueue, WaitOptions } from "vhost-user";
import {
  RequestPipeline,
  SegmentList,
  type SlotHandler,
  SlotPool,
  type SlotQueue,
} from "vhost-user/virtqueue";

/** Requests at the same time. */
const DEPTH = 4;
/** Bytes of the buffer of each of them. */
const BUFFER_BYTES = 4096;

/** The request queue: a slot is a buffer in shared memory, which the device fills. */
class EntropyQueue implements SlotQueue {
  readonly queue: ClientQueue;
  readonly #buffers;
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

  submit(slot: number, length: number): void {
    const buffer = this.#buffers[slot];
    if (buffer === undefined) throw new RangeError(`slot ${slot} does not exist`);
    this.#segments.clear();
    this.#segments.pushPart(buffer, 0, length);
    this.queue.add(this.#segments, 0, slot);
    this.queue.publish();
  }

  bytes(slot: number, length: number): Uint8Array {
    return this.#buffers[slot]?.bytes.slice(0, length) ?? new Uint8Array();
  }
}

/** The driver of an entropy device (VIRTIO 5.4). */
export class EntropyDriver {
  readonly #pipeline = new RequestPipeline<EntropyQueue>();

  /** Starts the request queue of a client. */
  static async start(client: Client): Promise<EntropyDriver> {
    const driver = new EntropyDriver();
    const { queue } = driver.#pipeline.add((handler) => new EntropyQueue(client, handler));
    await client.startQueue(queue);
    return driver;
  }

  /**
   * Reads random bytes.
   *
   * @throws {TimeoutError | QueueError | PeerClosedError} the device does not deliver them
   */
  async read(length: number, wait?: WaitOptions): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const part = await this.#request(Math.min(length - done, BUFFER_BYTES), wait);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  async #request(length: number, wait?: WaitOptions): Promise<Uint8Array> {
    return this.#pipeline.send(
      {
        what: `${length} random bytes`,
        submit: (queue, slot) => queue.submit(slot, length),
        complete: (queue, slot, written) => {
          if (written === 0) throw new Error("the device completed a request without any bytes");
          return queue.bytes(slot, written);
        },
      },
      wait,
    );
  }
}
