import type { RunningQueue } from "../../core/runtime/index.ts";
import type { ServedQueue } from "../../core/virtqueue/index.ts";
import type { Device, DeviceCapabilities } from "../../endpoints/backend/index.ts";

/** A device that forwards everything; faults put a queue of their own between it and its rings. */
export abstract class WrappedDevice implements Device {
  readonly type: Device["type"];
  readonly features: bigint;
  readonly maxQueues: number;
  readonly maxQueueSize: number;
  readonly capabilities: DeviceCapabilities;
  readonly #device: Device;
  readonly #queues = new WeakMap<ServedQueue, ServedQueue>();

  /** @param capabilities those that replace the device's own */
  constructor(device: Device, capabilities: DeviceCapabilities = {}) {
    this.type = device.type;
    this.features = device.features;
    this.maxQueues = device.maxQueues;
    this.maxQueueSize = device.maxQueueSize;
    // A worker would serve the ring without the queue that the fault puts in between.
    const { worker: _, ...kept } = device.capabilities ?? {};
    this.capabilities = { ...kept, ...capabilities };
    this.#device = device;
  }

  /** Makes the queue that the device sees; called once for each queue. */
  protected abstract wrapQueue(running: RunningQueue): ServedQueue;

  process(running: RunningQueue): void {
    let queue = this.#queues.get(running.queue);
    if (queue === undefined) {
      queue = this.wrapQueue(running);
      this.#queues.set(running.queue, queue);
    }
    this.#device.process({
      index: running.index,
      queue,
      publish: () => running.publish(),
      get active() {
        return running.active;
      },
      get closed() {
        return running.closed;
      },
      wake: () => running.wake(),
    });
  }
}
