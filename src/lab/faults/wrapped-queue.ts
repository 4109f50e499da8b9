import type {
  ChainCursor,
  DeviceQueue,
  QueueFault,
  RingWords,
  VringState,
} from "../../core/virtqueue/index.ts";

/** A device queue that passes everything on; faults override what they spoil. */
export class WrappedQueue implements DeviceQueue {
  protected readonly queue: DeviceQueue;

  constructor(queue: DeviceQueue) {
    this.queue = queue;
  }

  get size(): number {
    return this.queue.size;
  }

  get inFlight(): number {
    return this.queue.inFlight;
  }

  get parked(): boolean {
    return this.queue.parked;
  }

  get raw(): RingWords {
    return this.queue.raw;
  }

  get broken(): QueueFault | undefined {
    return this.queue.broken;
  }

  next(chain: ChainCursor): boolean {
    return this.queue.next(chain);
  }

  /** None: every chain passes by {@link next} and {@link complete}, where faults are. */
  takePieces(): number {
    return 0;
  }

  completePieces(): void {
    this.queue.completePieces();
  }

  hasNext(): boolean {
    return this.queue.hasNext();
  }

  complete(id: number, written: number): void {
    this.queue.complete(id, written);
  }

  publish(): boolean {
    return this.queue.publish();
  }

  arm(): boolean {
    return this.queue.arm();
  }

  disarm(): void {
    this.queue.disarm();
  }

  state(): VringState {
    return this.queue.state();
  }

  tolerates(feature: string): boolean {
    return this.queue.tolerates(feature);
  }

  fail(reason: string, section: string): void {
    this.queue.fail(reason, section);
  }
}
