import { StateError } from "../../core/base/index.ts";
import type { GuestMemory } from "../../core/memory/index.ts";
import { VirtioFeature } from "../../core/protocol/index.ts";
import type { RingFeatures } from "../../core/virtqueue/index.ts";
import { confirmStart, startRing, stopRing } from "./bring-up.ts";
import type { ClientOptions } from "./client-options.ts";
import { kickOf } from "./kicks.ts";
import { ClientQueue, type ClientQueueOptions } from "./queue.ts";
import type { Recovery } from "./recovery.ts";
import type { FrontendRequests } from "./requests.ts";

/** The session as its queues use it. */
export interface QueueSession {
  /** The requests of the current connection. */
  readonly requests: FrontendRequests;
  readonly memory: GuestMemory;
  readonly features: bigint;
  readonly ringFeatures: RingFeatures;
}

/** The queues of a session that run on the event loop: made, started, stopped and reset. */
export class ClientQueues {
  readonly #session: QueueSession;
  readonly #options: ClientOptions;
  readonly #recovery: Recovery | undefined;
  readonly #all = new Set<ClientQueue>();
  readonly #started = new Set<ClientQueue>();

  constructor(session: QueueSession, options: ClientOptions, recovery: Recovery | undefined) {
    this.#session = session;
    this.#options = options;
    this.#recovery = recovery;
  }

  get all(): readonly ClientQueue[] {
    return [...this.#all];
  }

  get started(): readonly ClientQueue[] {
    return [...this.#started];
  }

  /** The queues that were started and have not failed. */
  get running(): readonly ClientQueue[] {
    return this.started.filter(({ failure }) => failure === undefined);
  }

  /** See `Client.createQueue`. */
  create(
    options: Omit<ClientQueueOptions, "memory" | "features" | "notifications" | "wake">,
  ): ClientQueue {
    const session = this.#session;
    const queue = new ClientQueue({
      ...options,
      memory: session.memory,
      features: session.ringFeatures,
      notifications: this.#options.notifications,
      wake: (made) =>
        kickOf(made, this.#options, async () => session.requests.vringKick(made.index)),
    });
    this.#all.add(queue);
    return queue;
  }

  /** See `Client.startQueue`. */
  async start(queue: ClientQueue): Promise<void> {
    const { requests } = this.#session;
    await this.#recovery?.prepare(requests, queue, this.all);
    this.#started.add(queue);
    try {
      await startRing(requests, queue, queue.ring.base, async (to) => {
        queue.start();
        await confirmStart(to);
      });
      // The connection may have ended right behind the last answer.
      if (queue.failure !== undefined) throw queue.failure;
    } catch (error) {
      queue.stop();
      this.#started.delete(queue);
      throw error;
    }
    // A kick at the start is harmless, and some back-ends wait for one.
    queue.notify();
  }

  /** See `Client.stopQueue`. */
  async stop(queue: ClientQueue): Promise<number> {
    const base = await this.#stop(queue);
    if (this.#started.size === 0) this.#recovery?.allStopped();
    return base;
  }

  /** See `Client.resetQueue`. */
  async reset(queue: ClientQueue): Promise<readonly number[]> {
    if ((this.#session.features & VirtioFeature.RingReset) === 0n)
      throw new StateError("a queue can only be reset where VIRTIO_F_RING_RESET was negotiated");
    await this.#stop(queue);
    const dropped: number[] = [];
    queue.ring.reset((token) => dropped.push(token));
    await this.start(queue);
    return dropped;
  }

  /** Stops all of them, as long as the back-end answers. */
  async stopAll(): Promise<void> {
    for (const queue of this.#started) await this.stop(queue);
  }

  /** Starts collecting completions again after a reconnect. */
  restart(): void {
    for (const queue of this.running) {
      queue.start();
      queue.notify();
    }
  }

  /** Reports that no request completes any more. */
  fail(error: Error): void {
    for (const queue of this.#all) queue.fail(error);
  }

  close(): void {
    for (const queue of this.#all) queue.close();
  }

  async #stop(queue: ClientQueue): Promise<number> {
    if (!this.#started.delete(queue)) throw new StateError(`queue ${queue.index} was not started`);
    return stopRing(this.#session.requests, queue);
  }
}
