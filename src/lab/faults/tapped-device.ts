import type { RunningQueue } from "../../core/runtime/index.ts";
import type { ChainCursor, ServedQueue } from "../../core/virtqueue/index.ts";
import type { Device } from "../../endpoints/backend/index.ts";
import { RequestBytes } from "./request-bytes.ts";
import { WrappedDevice } from "./wrapped-device.ts";
import { WrappedServedQueue } from "./wrapped-queue.ts";

/** Changes the requests of a block device. Methods that are left out change nothing. */
export interface RequestTap {
  /**
   * Called when a request arrives. If it returns true, the device does not see the request, which
   * completes with success.
   */
  readonly arrives?: (request: RequestBytes) => boolean;
  /** Called when the device has served the request, before the driver sees the completion. */
  readonly served?: (request: RequestBytes) => void;
}

/** A block device with a {@link RequestTap} in front of it. */
export class TappedDevice extends WrappedDevice {
  readonly #tap: RequestTap;

  constructor(device: Device, tap: RequestTap) {
    super(device);
    this.#tap = tap;
  }

  protected override wrapQueue({ queue }: RunningQueue): ServedQueue {
    return new TappedQueue(queue, this.#tap);
  }
}

class TappedQueue extends WrappedServedQueue {
  readonly #tap: RequestTap;
  readonly #requests = new Map<number, RequestBytes>();

  constructor(queue: ServedQueue, tap: RequestTap) {
    super(queue);
    this.#tap = tap;
  }

  override next(chain: ChainCursor): boolean {
    while (this.queue.next(chain)) {
      const request = new RequestBytes(chain);
      if (!this.#tap.arrives?.(request)) {
        this.#requests.set(chain.id, request);
        return true;
      }
      request.status = 0;
      this.queue.complete(chain.id, 1);
    }
    return false;
  }

  override complete(id: number, written: number): void {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if (request !== undefined) this.#tap.served?.(request);
    this.queue.complete(id, written);
  }
}
