import { randomFillSync } from "node:crypto";
import type { Device, RunningQueue } from "vhost-user";
import type { DeviceType } from "vhost-user/protocol";
import { canWrite, copyIn, createChainCursor } from "vhost-user/virtqueue";

/** A request gets at most this many bytes: VIRTIO 5.4.6.2 lets a device fill a part of the buffer. */
const MOST_BYTES = 64 << 10;

/** The name of the type and its feature bits: it has none. */
export const entropyType: DeviceType = { name: "entropy", features: [] };

/** Fills the buffers of the driver with random bytes (VIRTIO 5.4). */
export class EntropyDevice implements Device {
  readonly type = entropyType;
  readonly features = 0n;
  readonly maxQueues = 1;
  readonly maxQueueSize = 256;
  readonly #chain = createChainCursor();
  readonly #bytes = new Uint8Array(MOST_BYTES);

  process({ queue }: RunningQueue): void {
    const chain = this.#chain;
    for (let budget = queue.size; budget > 0 && queue.next(chain); budget -= 1) {
      const length = Math.min(chain.writableBytes, MOST_BYTES);
      // The driver may have put an address into the chain that is not in shared memory.
      const reachable = canWrite(chain, 0, length);
      if (reachable) {
        randomFillSync(this.#bytes, 0, length);
        copyIn(chain, 0, this.#bytes, 0, length);
      }
      queue.complete(chain.id, reachable ? length : 0);
    }
  }
}
