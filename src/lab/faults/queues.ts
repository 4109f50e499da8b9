import type { DeviceQueue } from "../../core/virtqueue/index.ts";
import type { Fault, QueueFault } from "./fault.ts";
import { WrappedQueue } from "./wrapped-queue.ts";

const USED_RING = "VIRTIO 2.7.8";

class Completing extends WrappedQueue {
  readonly #complete: (queue: DeviceQueue, id: number, written: number) => void;

  constructor(
    queue: DeviceQueue,
    complete: (queue: DeviceQueue, id: number, written: number) => void,
  ) {
    super(queue);
    this.#complete = complete;
  }

  override complete(id: number, written: number): void {
    this.#complete(this.queue, id, written);
  }
}

class Publishing extends WrappedQueue {
  readonly #publish: (queue: DeviceQueue) => boolean;

  constructor(queue: DeviceQueue, publish: (queue: DeviceQueue) => boolean) {
    super(queue);
    this.#publish = publish;
  }

  override publish(): boolean {
    return this.#publish(this.queue);
  }
}

function queueFault(
  shape: Pick<QueueFault, "name" | "summary" | "breaks" | "parameter">,
  wrap: QueueFault["wrap"],
): Fault {
  return { ...shape, where: "queue", takesRequest: false, wrap };
}

/** Used rings and calls that are wrong. */
export const queueFaults: readonly Fault[] = [
  queueFault(
    {
      name: "used-id-out-of-range",
      summary: "completes with an id beyond the queue's size",
      breaks: USED_RING,
    },
    (queue) => new Completing(queue, (q, id, written) => q.complete(id + q.size, written)),
  ),
  queueFault(
    { name: "used-id-twice", summary: "completes every chain twice", breaks: USED_RING },
    (queue) =>
      new Completing(queue, (q, id, written) => {
        q.complete(id, written);
        q.complete(id, written);
      }),
  ),
  queueFault(
    {
      name: "used-length-too-long",
      summary: "says that it wrote 2^31 bytes more than it did",
      breaks: USED_RING,
    },
    (queue) => new Completing(queue, (q, id, written) => q.complete(id, written + 0x8000_0000)),
  ),
  queueFault(
    { name: "used-index-jump", summary: "moves the used index on by 1000", breaks: USED_RING },
    (queue) =>
      new Publishing(queue, (q) => {
        const call = q.publish();
        // A packed ring has no index: what comes next shows in the descriptors themselves.
        if (call && q.raw.format === "split") Atomics.add(q.raw.used16, 1, 1000);
        return call;
      }),
  ),
  queueFault(
    { name: "never-complete", summary: "takes chains and completes none" },
    (queue) => new Completing(queue, () => undefined),
  ),
  queueFault(
    {
      name: "drop-completion",
      summary: "loses some completions",
      parameter: {
        summary: "one in this many completions is lost",
        standard: 2,
        min: 1,
        max: 1_000_000,
      },
    },
    (queue, every) => {
      let completions = 0;
      return new Completing(queue, (q, id, written) => {
        completions += 1;
        if (completions % every !== 0) q.complete(id, written);
      });
    },
  ),
  queueFault(
    {
      name: "no-call",
      summary: "never calls the driver, however much it asks",
      breaks: "VIRTIO 2.7.7",
    },
    (queue) =>
      new Publishing(queue, (q) => {
        q.publish();
        return false;
      }),
  ),
  queueFault(
    { name: "spurious-calls", summary: "calls the driver also when there is nothing new" },
    (queue) =>
      new Publishing(queue, (q) => {
        q.publish();
        return true;
      }),
  ),
];
