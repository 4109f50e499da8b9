/** A ring, the memory that it is in, or the device behind it did not do what it should. */
import { TimeoutError } from "./peer.ts";
import { nameClasses, VhostUserError } from "./vhost-user-error.ts";

/** A queue with requests in flight that do not complete. */
export interface RingStall {
  readonly queue: number;
  readonly inFlight: number;
  /** Milliseconds since the last completion. */
  readonly idleMs: number;
}

/**
 * The peer still answers messages, but no longer completes the requests of a queue.
 *
 * @example
 * ```ts
 * import { StalledError } from "vhost-user";
 *
 * // Names the queues that complete nothing, of an error of a load.
 * function stalled(error: unknown): readonly number[] {
 *   return error instanceof StalledError ? error.queues.map(({ queue }) => queue) : [];
 * }
 * ```
 */
export class StalledError extends TimeoutError {
  readonly queues: readonly RingStall[];

  /** @param limitMs the longest time without a completion, milliseconds */
  constructor(limitMs: number, queues: readonly RingStall[]) {
    const each = queues.map(({ queue, inFlight, idleMs }) => {
      const since = new Date(Date.now() - idleMs).toTimeString().slice(0, 8);
      return `queue ${queue} has ${inFlight} in flight and has completed none since ${since}`;
    });
    super(`nothing completed within ${limitMs / 1000} s: ${each.join("; ")}`);
    this.queues = queues;
  }
}

/**
 * An address or length that no shared region covers, or memory that the peer took away.
 *
 * @example
 * ```ts
 * import { GuestMemory, MemoryAccessError } from "vhost-user";
 *
 * const memory = new GuestMemory({ size: 1 << 20 });
 * try {
 *   memory.allocate(2 << 20);
 * } catch (error) {
 *   console.log(error instanceof MemoryAccessError, error);
 * }
 * memory.close();
 * ```
 */
export class MemoryAccessError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_MEMORY", message, options);
  }
}

/**
 * A virtqueue broke the rules of the VIRTIO specification and is no longer served.
 *
 * @example
 * ```ts
 * import { QueueError } from "vhost-user";
 *
 * // Reports a ring that one of the sides has broken, in the option `onProblem` of both.
 * function onProblem(problem: Error): void {
 *   if (problem instanceof QueueError) console.log(`the ring is broken: ${problem.message}`);
 * }
 * ```
 */
export class QueueError extends VhostUserError {
  constructor(message: string, options?: ErrorOptions) {
    super("ERR_VHOST_QUEUE", message, options);
  }
}

/**
 * A device completed a request with a status other than OK.
 *
 * @example
 * ```ts
 * import { Client, DeviceError } from "vhost-user";
 * import { BlockDriver } from "vhost-user/devices/block";
 *
 * const client = await Client.connect("disk.sock");
 * const disk = await BlockDriver.start(client);
 * try {
 *   await disk.read(disk.size, 512); // behind the end
 * } catch (error) {
 *   if (error instanceof DeviceError) console.log(error.status);
 * }
 * await client.close();
 * ```
 */
export class DeviceError extends VhostUserError {
  /** The device's own status value, e.g. 1 for `VIRTIO_BLK_S_IOERR`. */
  readonly status: number;

  constructor(status: number, message: string) {
    super("ERR_VHOST_DEVICE", message);
    this.status = status;
  }
}

nameClasses(StalledError, MemoryAccessError, QueueError, DeviceError);
