import type {
  ChainCursor,
  DeviceQueue,
  QueueFault,
  RingWords,
  ServedQueue,
  VringState,
} from "../../core/virtqueue/index.ts";

/** A queue as a device uses it that forwards everything; faults override what they break. */
export class WrappedServedQueue<Q extends ServedQueue = ServedQueue> implements ServedQueue {
  protected readonly queue: Q;

  constructor(queue: Q) {
    this.queue = queue;
  }

  get size(): number {
    return this.queue.size;
  }

  get broken(): QueueFault | undefined {
    return this.queue.broken;
  }

  next(chain: ChainCursor): boolean {
    return this.queue.next(chain);
  }

  /** Takes none: every chain goes through {@link next} and {@link complete}, where the faults are. */
  takeSingles(): number {
    return 0;
  }

  completeSingles(): void {
    this.queue.completeSingles();
  }

  hasNext(): boolean {
    return this.queue.hasNext();
  }

  complete(id: number, written: number): void {
    this.queue.complete(id, written);
  }

  tolerates(feature: string): boolean {
    return this.queue.tolerates(feature);
  }

  fail(reason: string, section: string): void {
    this.queue.fail(reason, section);
  }
}

/** A device half that forwards everything; faults override what they break. */
export class WrappedQueue extends WrappedServedQueue<DeviceQueue> implements DeviceQueue {
  get inFlight(): number {
    return this.queue.inFlight;
  }

  get parked(): boolean {
    return this.queue.parked;
  }

  get raw(): RingWords {
    return this.queue.raw;
  }

  publish(): boolean {
    return this.queue.publish();
  }

  enableNotifications(): boolean {
    return this.queue.enableNotifications();
  }

  disableNotifications(): void {
    this.queue.disableNotifications();
  }

  state(): VringState {
    return this.queue.state();
  }
}
