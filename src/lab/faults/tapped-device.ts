import type { RunningQueue } from "../../core/runtime/index.ts";
import type { ChainCursor, ServedQueue } from "../../core/virtqueue/index.ts";
import type { Device } from "../../endpoints/backend/index.ts";
import { RequestBytes } from "./request-bytes.ts";
import { WrappedDevice } from "./wrapped-device.ts";
import { WrappedServedQueue } from "./wrapped-queue.ts";

/** What happens to the requests of a block device; what is left out passes unchanged. */
export interface RequestTap {
  /** A request arrives. True: the device is not to see it, it completes as if served well. */
  readonly arrives?: (request: RequestBytes) => boolean;
  /** The device has served it; the driver does not know yet. */
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
