import { randomFillSync } from "node:crypto";
import type { DeviceType } from "../../../../core/protocol/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import {
  canWrite,
  type ChainCursor,
  copyIn,
  createChainCursor,
} from "../../../../core/virtqueue/index.ts";
import type { Device, DeviceCapabilities } from "../../../backend/index.ts";
import { rngType } from "../type.ts";
import { EntropyBudget } from "./budget.ts";

/** A request gets at most this many bytes: VIRTIO 5.4.6.2 lets a device fill a part of the buffer. */
const MOST_BYTES = 64 << 10;
const MAX_QUEUE_SIZE = 1024;

export interface RngDeviceOptions {
  /** Limits the bytes that are delivered, also of other devices that share it. Default: no limit. */
  readonly budget?: EntropyBudget | undefined;
}

/**
 * An entropy device (VIRTIO 5.4): fills the driver's buffers with random bytes of the generator of
 * `node:crypto`, which the kernel seeds. Requests beyond the budget stay in the ring until
 * the next period.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { RngDevice } from "vhost-user/devices/rng";
 *
 * const server = await BackendServer.listen("entropy.sock", { device: () => new RngDevice() });
 * server.close();
 * ```
 */
export class RngDevice implements Device {
  readonly type: DeviceType = rngType;
  readonly features = 0n;
  readonly maxQueues = 1;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly capabilities: DeviceCapabilities;
  readonly #budget: EntropyBudget;
  readonly #chain = createChainCursor();
  readonly #bytes = new Uint8Array(MOST_BYTES);
  #nextPeriod: NodeJS.Timeout | undefined;

  constructor({ budget = new EntropyBudget() }: RngDeviceOptions = {}) {
    this.#budget = budget;
    const stopWaiting = (): void => {
      clearTimeout(this.#nextPeriod);
      this.#nextPeriod = undefined;
    };
    this.capabilities = {
      lifecycle: { reset: stopWaiting, close: stopWaiting },
      scheduling: { wantsChains: () => this.#nextPeriod === undefined },
    };
  }

  process(running: RunningQueue): void {
    const { queue } = running;
    for (let left = queue.size; left > 0; left -= 1) {
      const { waitMs } = this.#budget;
      if (waitMs > 0) {
        this.#waitFor(waitMs, running);
        return;
      }
      if (!queue.next(this.#chain)) return;
      queue.complete(this.#chain.id, this.#fill(this.#chain));
    }
  }

  /** Returns the bytes that it wrote; 0 if the chain has no room, or is not in shared memory. */
  #fill(chain: ChainCursor): number {
    const wanted = Math.min(chain.writableBytes, MOST_BYTES);
    if (!canWrite(chain, 0, wanted)) return 0;
    const length = this.#budget.take(wanted);
    randomFillSync(this.#bytes, 0, length);
    copyIn(chain, 0, this.#bytes, 0, length);
    return length;
  }

  #waitFor(ms: number, running: RunningQueue): void {
    if (this.#nextPeriod !== undefined) return;
    this.#nextPeriod = setTimeout(() => {
      this.#nextPeriod = undefined;
      running.wake();
    }, ms);
  }
}
