import { counted, StateError } from "../../core/base/index.ts";
import { InflightRegion } from "../../core/memory/index.ts";
import { VirtioFeature } from "../../core/protocol/index.ts";
import { countInflight } from "../../core/virtqueue/index.ts";
import type { ClientQueue } from "./queue.ts";
import type { FrontendRequests } from "./requests.ts";

/**
 * The region in which back-ends record requests in flight, kept by the session from the first one
 * on. Where a back-end notes nothing, {@link tracks} is false.
 */
export class KeptInflight {
  #region: InflightRegion | undefined;

  /**
   * Sends the in-flight region to the back-end before the first ring of a connection starts, or
   * asks for a new one, for all queues that exist by now.
   *
   * @throws {MemoryAccessError} the back-end sent an invalid region
   * @throws {RemoteError | ProtocolError | PeerClosedError | TimeoutError}
   */
  async provide(requests: FrontendRequests, queues: readonly ClientQueue[]): Promise<void> {
    const count = Math.max(...queues.map(({ index }) => index + 1));
    const size = Math.max(...queues.map(({ ring }) => ring.size));
    this.#region ??= await make(requests, count, size);
    if (this.#region === undefined) return;
    await requests.setInflightFd(this.#region.description, this.#region.fd);
  }

  /** @throws {StateError} the queue was made too late, and is larger or more than those before */
  expectRoom({ index, ring }: ClientQueue): void {
    if (this.#region === undefined) return;
    const { numQueues, queueSize } = this.#region.description;
    if (index < numQueues && ring.size <= queueSize) return;
    throw new StateError(
      `reconnect: make every queue before the first is started: the in-flight region has room for ` +
        `${counted(numQueues, "queue")} of ${counted(queueSize, "entry", "entries")}, and not for queue ${index} with ${ring.size}`,
    );
  }

  /** Returns whether there is such memory. */
  get tracks(): boolean {
    return this.#region !== undefined;
  }

  /** Requests of a queue that a back-end has recorded as in flight. */
  count({ index, ring }: ClientQueue): number {
    const packed = ring.raw.format === "packed";
    const area = this.#region?.area(index, packed);
    return area === undefined ? 0 : countInflight(area, packed);
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#region?.close();
    this.#region = undefined;
  }
}

/** Returns undefined if the back-end does not track after all. */
async function make(
  requests: FrontendRequests,
  numQueues: number,
  queueSize: number,
): Promise<InflightRegion | undefined> {
  // The region covers the existing queues only: DPDK starts no ring before all rings of the region
  // are set up.
  const asked = { mmapSize: 0n, mmapOffset: 0n, numQueues, queueSize };
  const { value, fd } = await requests.getInflightFd(asked);
  if (fd === undefined) return undefined;
  const packed = (requests.negotiation.features & VirtioFeature.RingPacked) !== 0n;
  // The region has the requested sizes, whatever the reply repeats.
  return new InflightRegion({ ...value, numQueues, queueSize }, fd, packed);
}
