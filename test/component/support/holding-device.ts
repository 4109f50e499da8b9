import type { RunningQueue } from "../../../src/core/runtime/index.ts";
import type { Device, DeviceCapabilities } from "../../../src/endpoints/backend/index.ts";
import { blockType } from "../../../src/endpoints/devices/block/type.ts";
import {
  type ChainCursor,
  createChainCursor,
  type ServedQueue,
} from "../../../src/core/virtqueue/index.ts";

/** A device that keeps every chain until a test completes it, or a stop does. */
export class HoldingDevice implements Device {
  readonly type = blockType;
  readonly features = 0n;
  readonly maxQueues = 1;
  readonly maxQueueSize = 64;
  readonly held: { running: RunningQueue; queue: ServedQueue; id: number }[] = [];
  /** Completes chains at once, as a device in memory does. */
  immediate = false;
  resets = 0;
  closes = 0;
  /** While this is set, quiescing waits for it. */
  drained: Promise<void> | undefined;
  readonly capabilities: DeviceCapabilities = {
    lifecycle: {
      reset: () => {
        this.resets += 1;
      },
      close: () => {
        this.closes += 1;
      },
    },
    draining: {
      quiesce: async () => {
        await this.drained;
        this.release();
      },
    },
  };
  readonly #chain: ChainCursor = createChainCursor();

  process(running: RunningQueue): void {
    const { queue } = running;
    while (queue.next(this.#chain)) {
      this.held.push({ running, queue, id: this.#chain.id });
    }
    if (this.immediate) for (const { id } of this.held.splice(0)) queue.complete(id, 0);
  }

  /** Completes what is held, as a disk would from a callback. */
  release(): void {
    for (const { running, queue, id } of this.held.splice(0)) {
      queue.complete(id, 0);
      running.publish();
    }
  }
}
