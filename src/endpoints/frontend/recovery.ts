import { counted, NegotiationError } from "../../core/base/index.ts";
import type { GuestMemory } from "../../core/memory/index.ts";
import { ProtocolFeature } from "../../core/protocol/index.ts";
import { confirmStart, startRing, type Wishes } from "./bring-up.ts";
import type { Connection } from "./connection.ts";
import { KeptInflight } from "./inflight.ts";
import { shareMemory } from "./memory-sharing.ts";
import type { ClientQueue } from "./queue.ts";
import { expectSameFeatures, type ReplayedQueue, wishesOf } from "./reconnect.ts";
import type { FrontendRequests } from "./requests.ts";

/** The state that a session keeps so that another back-end can replace its own. */
export class Recovery {
  readonly #inflight = new KeptInflight();
  #slots = 0n;
  #provided: Promise<void> | undefined;

  /** Shares memory with a back-end, which must have as many slots as the one before. */
  async shareMemory(requests: FrontendRequests, memory: GuestMemory): Promise<void> {
    if (requests.negotiation.has(ProtocolFeature.ConfigureMemSlots)) {
      const slots = await requests.getMaxMemSlots();
      if (slots < this.#slots) {
        throw new NegotiationError(
          `reconnect: the back-end has ${slots} memory slots and had ${this.#slots} before; start it as before`,
        );
      }
      this.#slots = slots;
    }
    await shareMemory(requests, memory);
  }

  /**
   * Prepares the in-flight region before a queue starts.
   *
   * @throws {StateError} the queue was made too late, or is too large for the region
   */
  async prepare(
    requests: FrontendRequests,
    queue: ClientQueue,
    all: readonly ClientQueue[],
  ): Promise<void> {
    if (!requests.negotiation.has(ProtocolFeature.InflightShmfd)) return;
    this.#provided ??= this.#inflight.provide(requests, all);
    try {
      await this.#provided;
    } catch (error) {
      this.#provided = undefined;
      throw error;
    }
    this.#inflight.expectRoom(queue);
  }

  /** Records that no ring runs: the next start sends the in-flight region again. */
  allStopped(): void {
    this.#provided = undefined;
  }

  get replayedBy(): "back-end" | "client" {
    return this.#inflight.tracks ? "back-end" : "client";
  }

  /**
   * Takes the completions, and stops polling.
   *
   * @throws {NegotiationError} the outstanding requests are lost
   */
  suspend(queues: Iterable<ClientQueue>): ReplayedQueue[] {
    const replayed: ReplayedQueue[] = [];
    for (const queue of queues) {
      queue.suspend();
      const { index, ring } = queue;
      const { outstanding } = ring;
      const { tracks } = this.#inflight;
      if (!tracks && !ring.resubmit()) {
        throw new NegotiationError(
          `reconnect: the back-end does not track requests in flight (no VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD), ` +
            `so the ${counted(outstanding, "request")} on packed queue ${index} are lost; use split rings with it`,
        );
      }
      const inFlight = tracks ? this.#inflight.count(queue) : outstanding;
      replayed.push({ index, outstanding, inFlight });
    }
    return replayed;
  }

  /** Brings a new connection to where the lost one was. */
  async resume(
    connection: Connection,
    lost: Connection,
    session: {
      readonly wishes: Wishes;
      readonly memory: GuestMemory;
      /** All queues; `running` has those that run. */
      readonly queues: readonly ClientQueue[];
      readonly started: readonly ClientQueue[];
    },
  ): Promise<void> {
    const { requests } = connection;
    const before = lost.requests.negotiation;
    await connection.negotiate(wishesOf(before, session.wishes));
    expectSameFeatures(before, requests.negotiation);
    await this.shareMemory(requests, session.memory);
    this.#provided = undefined;
    for (const queue of session.started) {
      await this.prepare(requests, queue, session.queues);
      queue.renew();
      await startRing(requests, queue);
    }
    if (session.started.length > 0) await confirmStart(requests);
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#inflight.close();
  }
}
