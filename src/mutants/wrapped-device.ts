import type { Device, DeviceConfig, DeviceSession, RunningQueue } from "../backend/index.ts";
import type { ChainCursor, DeviceQueue } from "../virtqueue/index.ts";
import { RequestBytes } from "./request-bytes.ts";
import { WrappedQueue } from "./wrapped-queue.ts";

/** What happens to the requests of a block device; what is left out passes unchanged. */
export interface RequestTap {
  /** A request arrives. True: the device is not to see it, it completes as if served well. */
  readonly arrives?: (request: RequestBytes) => boolean;
  /** The device has served it; the driver does not know yet. */
  readonly served?: (request: RequestBytes) => void;
}

/** A block device with a {@link RequestTap} in front of it. */
export class TappedDevice implements Device {
  readonly #device: Device;
  readonly #tap: RequestTap;
  readonly #queues = new WeakMap<DeviceQueue, DeviceQueue>();

  constructor(device: Device, tap: RequestTap) {
    this.#device = device;
    this.#tap = tap;
  }

  get type(): Device["type"] {
    return this.#device.type;
  }

  get features(): bigint {
    return this.#device.features;
  }

  get maxQueues(): number {
    return this.#device.maxQueues;
  }

  get queueNum(): number {
    return this.#device.queueNum ?? this.#device.maxQueues;
  }

  get maxQueueSize(): number {
    return this.#device.maxQueueSize;
  }

  get config(): DeviceConfig {
    // The framework takes the absence of a configuration space for a feature of its own.
    return this.#device.config as DeviceConfig;
  }

  attach(session: DeviceSession): void {
    this.#device.attach?.(session);
  }

  negotiated(features: bigint): void {
    this.#device.negotiated?.(features);
  }

  process(running: RunningQueue): void {
    let queue = this.#queues.get(running.queue);
    if (queue === undefined) {
      queue = new TappedQueue(running.queue, this.#tap);
      this.#queues.set(running.queue, queue);
    }
    this.#device.process({
      index: running.index,
      queue,
      publish: () => running.publish(),
      get active() {
        return running.active;
      },
      wake: () => running.wake(),
    });
  }

  wantsChains(index: number): boolean {
    return this.#device.wantsChains?.(index) ?? true;
  }

  async quiesce(index: number): Promise<void> {
    return this.#device.quiesce?.(index);
  }

  reset(): void {
    this.#device.reset?.();
  }

  close(): void {
    this.#device.close?.();
  }
}

class TappedQueue extends WrappedQueue {
  readonly #tap: RequestTap;
  readonly #requests = new Map<number, RequestBytes>();

  constructor(queue: DeviceQueue, tap: RequestTap) {
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
