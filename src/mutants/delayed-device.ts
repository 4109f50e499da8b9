import type { Device, DeviceConfig, RunningQueue } from "../backend/index.ts";
import type { DeviceQueue } from "../virtqueue/index.ts";
import { WrappedQueue } from "./wrapped-queue.ts";

/** What a wrapped device has not given back of a ring, and who waits for there to be none. */
class Held {
  count = 0;
  readonly #idle: (() => void)[] = [];

  released(): void {
    this.count -= 1;
    if (this.count === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async idle(): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}

/**
 * A device whose completions come late: each after a time of its own, so that they leave in another
 * order than the requests came. Any device may do that.
 */
export class DelayedDevice implements Device {
  readonly #device: Device;
  readonly #maxMs: number;
  readonly #queues = new WeakMap<DeviceQueue, DeviceQueue>();
  readonly #held: Held[] = [];

  /** @param maxMs the longest delay, milliseconds */
  constructor(device: Device, maxMs: number) {
    this.#device = device;
    this.#maxMs = maxMs;
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

  negotiated(features: bigint): void {
    this.#device.negotiated?.(features);
  }

  process(running: RunningQueue): void {
    let queue = this.#queues.get(running.queue);
    if (queue === undefined) {
      const held = (this.#held[running.index] ??= new Held());
      queue = new DelayedQueue(running, held, this.#maxMs);
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
    await this.#device.quiesce?.(index);
    await this.#held[index]?.idle();
  }

  reset(): void {
    this.#device.reset?.();
  }

  close(): void {
    this.#device.close?.();
  }
}

class DelayedQueue extends WrappedQueue {
  readonly #running: RunningQueue;
  readonly #held: Held;
  readonly #maxMs: number;

  constructor(running: RunningQueue, held: Held, maxMs: number) {
    super(running.queue);
    this.#running = running;
    this.#held = held;
    this.#maxMs = maxMs;
  }

  override complete(id: number, written: number): void {
    this.#held.count += 1;
    setTimeout(() => {
      this.queue.complete(id, written);
      this.#running.publish();
      this.#held.released();
    }, Math.random() * this.#maxMs);
  }
}
