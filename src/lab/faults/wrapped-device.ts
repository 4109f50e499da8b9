import type {
  Device,
  DeviceConfig,
  DeviceSession,
  DeviceState,
  RunningQueue,
} from "../../endpoints/backend/index.ts";
import type { DeviceQueue } from "../../core/virtqueue/index.ts";

/** A device that passes everything on; faults put something between it and its rings. */
export abstract class WrappedDevice implements Device {
  readonly #device: Device;
  readonly #queues = new WeakMap<DeviceQueue, DeviceQueue>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** What the device gets in place of a ring's queue, once for each. */
  protected abstract wrapQueue(running: RunningQueue): DeviceQueue;

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

  get suspend(): Device["suspend"] & {} {
    const suspend = this.#device.suspend?.bind(this.#device);
    // As above.
    return suspend as Device["suspend"] & {};
  }

  get state(): DeviceState {
    return this.#device.state as DeviceState;
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
      wake: () => running.wake(),
    });
  }

  wantsChains(index: number): boolean {
    return this.#device.wantsChains?.(index) ?? true;
  }

  discards(index: number): boolean {
    return this.#device.discards?.(index) ?? false;
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
