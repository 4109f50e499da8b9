import { QueueError, UsageError } from "../../core/base/index.ts";
import type { DirtyLog, GuestMemory } from "../../core/memory/index.ts";
import { EventFd } from "../../core/os/index.ts";
import { type RingMode, DriverRunner } from "../../core/runtime/index.ts";
import {
  createDriverQueue,
  type DriverQueue,
  type RingFeatures,
  type SegmentList,
} from "../../core/virtqueue/index.ts";
import type { Kick, Notifications } from "./notifications.ts";

/** Handles a queue's completions. Called from the event loop, never from within `submit`. */
export interface QueueHandler {
  /** @param written bytes that the device wrote into the chain's writable part */
  done(token: number, written: number): void;
  /** Called after a batch of completions, so that the handler can submit more. */
  batchDone?(): void;
  /**
   * Called when requests no longer complete: the device broke the ring, or the connection ended.
   */
  failed(error: Error): void;
}

export interface ClientQueueOptions {
  readonly index: number;
  /** Number of entries, a power of two. */
  readonly size: number;
  readonly memory: GuestMemory;
  readonly features: RingFeatures;
  readonly ringMode: RingMode;
  readonly handler: QueueHandler;
  readonly notifications?: Notifications | undefined;
  /** Wakes the back-end instead of the kick descriptor. */
  readonly wake?: ((queue: ClientQueue) => Kick | undefined) | undefined;
}

/**
 * One virtqueue of a client: the driver half of the ring and the descriptors around it.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { SegmentList } from "vhost-user/virtqueue";
 *
 * const client = await Client.connect("disk.sock");
 * const handler = {
 *   done: (token: number, written: number) => console.log(token, written),
 *   failed: (error: Error) => console.log(error.message),
 * };
 * const queue = client.createQueue({ index: 0, size: 8, ringMode: "event", handler });
 * await client.startQueue(queue);
 * const segments = new SegmentList(1);
 * segments.push(client.memory.allocate(512).address, 512);
 * queue.add(segments, 1, 7); // one descriptor that the device reads
 * queue.publish();
 * await client.stopQueue(queue);
 * await client.close();
 * ```
 */
export class ClientQueue {
  readonly index: number;
  readonly ring: DriverQueue;
  kick: EventFd;
  call: EventFd;
  error: EventFd;
  readonly notifications: Notifications;
  #wake: Kick;
  readonly #makeWake: ClientQueueOptions["wake"];
  readonly #ringMode: RingMode;
  readonly #handler: QueueHandler;
  #runner: DriverRunner | undefined;
  #log: DirtyLog | undefined;
  #failure: Error | undefined;

  /** @throws {UsageError} without calls the ring has to be polled */
  constructor(options: ClientQueueOptions) {
    const { index, size, memory, features, ringMode, handler, notifications = {} } = options;
    if (notifications.call === "none" && ringMode !== "poll") {
      throw new UsageError(
        `queue ${index}: call "none" and ringMode "${ringMode}" cannot be combined; use ringMode "poll"`,
      );
    }
    this.index = index;
    this.notifications = notifications;
    this.ring = createDriverQueue({ size, memory, features });
    this.#ringMode = ringMode;
    this.#handler = handler;
    [this.kick, this.call, this.error] = makeEvents();
    this.#makeWake = options.wake;
    this.#wake = this.#makeWake?.(this) ?? this.kick;
  }

  /** Replaces the descriptors: a process that still has the old ones would consume kicks. */
  renew(): void {
    const [kick, call, error] = makeEvents();
    for (const event of [this.kick, this.call, this.error]) event.close();
    [this.kick, this.call, this.error] = [kick, call, error];
    this.#wake = this.#makeWake?.(this) ?? this.kick;
  }

  /** Collects completions from now on. */
  start(): void {
    // Completions may have come before the runner started: look once, as if called.
    this.call.signal();
    const handler = this.#handler;
    this.#runner = new DriverRunner({
      queue: this.ring,
      ringMode: this.#ringMode,
      call: this.call,
      done: (token, written) => handler.done(token, written),
      batchDone: () => handler.batchDone?.(),
      onBroken: () => this.#reportBroken(),
    });
    // Requests outstanding from before a reconnect: a runner that polls begins once it is notified.
    if (this.ring.outstanding > 0) this.#runner.published();
  }

  /**
   * Adds a chain: the device reads the first `readable` segments and writes the rest. The device
   * sees it after {@link publish}. Returns false if the ring is full or broken.
   */
  add(segments: SegmentList, readable: number, token: number): boolean {
    if (this.#log !== undefined) markReadable(this.#log, segments, readable);
    return this.ring.add(segments, readable, token);
  }

  /**
   * Marks the readable buffers of the driver's requests in a log, until it is called without a log:
   * a migration copies their pages again.
   */
  logTo(log: DirtyLog | undefined): void {
    this.#log = log;
  }

  /** Makes all added chains available, and kicks the device if it wants that. */
  publish(): void {
    if (this.ring.publish()) this.notify();
    this.#runner?.published();
  }

  /** Kicks the device even if it has disabled kicks. */
  notify(): void {
    this.#wake.signal();
  }

  /**
   * Returns whether the device reported an error of this queue (SET_VRING_ERR) since the last look.
   */
  takeError(): boolean {
    return this.error.drain();
  }

  /** Takes the completions from before the stop of the ring. */
  collect(): void {
    const { ring } = this;
    while (ring.poll((token, written) => this.#handler.done(token, written), ring.size) > 0);
    if (ring.broken !== undefined) this.#reportBroken();
  }

  /** Takes the completions of a lost back-end, and stops waiting for more. */
  suspend(): void {
    this.stop();
    const { ring } = this;
    while (ring.poll((token, written) => this.#handler.done(token, written), ring.size) > 0) {
      this.#handler.batchDone?.();
    }
    if (ring.broken !== undefined) this.#reportBroken();
  }

  /** Stops collecting completions. */
  stop(): void {
    this.#runner?.stop();
    this.#runner = undefined;
  }

  /**
   * The reason why requests no longer complete. The queue may have failed before the caller began
   * to wait for completions, so a caller checks this once before it waits.
   */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Notifies the handler, once, that nothing completes any more. */
  fail(error: Error): void {
    this.stop();
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#handler.failed(error);
  }

  #reportBroken(): void {
    const fault = this.ring.broken;
    this.fail(
      new QueueError(
        `the device broke the rules of queue ${this.index}: ${fault?.reason} (VIRTIO ${fault?.section})`,
      ),
    );
  }

  close(): void {
    this.stop();
    this.kick.close();
    this.call.close();
    this.error.close();
  }
}

function markReadable(log: DirtyLog, segments: SegmentList, readable: number): void {
  for (let i = 0; i < readable; i += 1) {
    log.mark(segments.addresses[i] ?? 0, segments.lengths[i] ?? 0);
  }
}

function makeEvents(): [EventFd, EventFd, EventFd] {
  const events: EventFd[] = [];
  const make = (): EventFd => {
    const event = EventFd.create();
    events.push(event);
    return event;
  };
  try {
    return [make(), make(), make()];
  } catch (error) {
    for (const event of events) event.close();
    throw error;
  }
}
