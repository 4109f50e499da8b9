import type { DeviceType } from "../../core/protocol/index.ts";
import type { RunningQueue } from "../../core/runtime/index.ts";
import type { DeviceCapabilities } from "./capabilities.ts";

/**
 * The device behind the rings of a back-end. Each session has its own object; sessions share only
 * what their devices share.
 *
 * @example
 * ```ts
 * // Fills every buffer with random bytes (VIRTIO 5.4).
 * class EntropyDevice implements Device {
 *   readonly type = { name: "rng", features: [] };
 *   readonly features = 0n;
 *   readonly maxQueues = 1;
 *   readonly maxQueueSize = 256;
 *   readonly #chain = createChainCursor();
 *
 *   process({ queue }: RunningQueue): void {
 *     for (let budget = queue.size; budget > 0 && queue.next(this.#chain); budget -= 1) {
 *       const bytes = randomBytes(this.#chain.writableBytes);
 *       copyIn(this.#chain, 0, bytes, 0, bytes.length);
 *       queue.complete(this.#chain.id, bytes.length);
 *     }
 *   }
 * }
 * ```
 */
export interface Device {
  /** Gives the feature bits their names in errors and traces. */
  readonly type: DeviceType;
  /** Device feature bits that are offered; the framework adds those of transport and rings. */
  readonly features: bigint;
  /** Virtqueues. */
  readonly maxQueues: number;
  /** Largest queue, entries. */
  readonly maxQueueSize: number;
  /**
   * Serves the available chains of a ring: at most about `queue.size` per call, so that the event
   * loop is not blocked. It may complete them later. It must not throw, whatever a driver put into
   * the ring.
   */
  process(running: RunningQueue): void;
  /** Further abilities of the device. */
  readonly capabilities?: DeviceCapabilities;
}
