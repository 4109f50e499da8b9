import { ProtocolError, UsageError, type WaitOptions } from "../../../../core/base/index.ts";
import { type Client, RequestPipeline } from "../../../frontend/index.ts";
import { BUFFER_BYTES, RngQueue } from "./queue.ts";

/**
 * The driver of an entropy device (VIRTIO 5.4).
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { RngDriver } from "vhost-user/devices/rng";
 *
 * const client = await Client.connect("rng.sock");
 * const rng = await RngDriver.start(client);
 * console.log(await rng.read(32));
 * await client.close();
 * ```
 */
export class RngDriver {
  readonly #pipeline = new RequestPipeline<RngQueue>();

  private constructor() {}

  /**
   * Starts the request queue of a client.
   *
   * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
   */
  static async start(client: Client): Promise<RngDriver> {
    const driver = new RngDriver();
    const { queue } = driver.#pipeline.add((handler) => new RngQueue(client, handler));
    await client.startQueue(queue);
    return driver;
  }

  /**
   * Reads random bytes. A device may deliver fewer than a request has room for, so one read may take
   * several requests.
   *
   * @param length bytes
   * @param wait for each request; `timeoutMs` is 30 seconds by default
   * @throws {UsageError} the length is not a whole number
   * @throws {ProtocolError} the device completed a request without any bytes
   * @throws {TimeoutError | QueueError | PeerClosedError}
   */
  async read(length: number, wait?: WaitOptions): Promise<Uint8Array> {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new UsageError(`the length must be a whole number of bytes, not ${length}`);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const part = await this.#request(Math.min(length - done, BUFFER_BYTES), wait);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  async #request(length: number, wait: WaitOptions | undefined): Promise<Uint8Array> {
    return this.#pipeline.send(
      {
        what: `${length} random bytes`,
        submit: (queue, slot) => queue.submit(slot, length),
        complete: (queue, slot, written) => {
          if (written > 0) return queue.bytes(slot, written);
          throw new ProtocolError("the device completed a request for random bytes without any");
        },
      },
      wait,
    );
  }
}
