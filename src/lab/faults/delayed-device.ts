import type { RunningQueue } from "../../core/runtime/index.ts";
import type { ServedQueue } from "../../core/virtqueue/index.ts";
import type { Device } from "../../endpoints/backend/index.ts";
import { WrappedDevice } from "./wrapped-device.ts";
import { WrappedServedQueue } from "./wrapped-queue.ts";

/**
 * A device whose completions come late: each after a time of its own, so that they leave in another
 * order than the requests came. Any device may do that.
 */
export class DelayedDevice extends WrappedDevice {
  readonly #maxMs: number;
  readonly #held: Held[] = [];

  /** @param maxMs the longest delay, milliseconds */
  constructor(device: Device, maxMs: number) {
    super(device, {
      draining: {
        quiesce: async (index) => {
          await device.capabilities?.draining?.quiesce(index);
          await this.#held[index]?.idle();
        },
      },
    });
    this.#maxMs = maxMs;
  }

  protected override wrapQueue(running: RunningQueue): ServedQueue {
    const held = (this.#held[running.index] ??= new Held());
    return new DelayedQueue(running, held, this.#maxMs);
  }
}

/** The requests in flight of a ring, and the callers that wait until there are none. */
class Held {
  count = 0;
  readonly #waiting: (() => void)[] = [];

  released(): void {
    this.count -= 1;
    if (this.count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async idle(): Promise<void> {
    if (this.count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

class DelayedQueue extends WrappedServedQueue {
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
