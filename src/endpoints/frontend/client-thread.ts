import { ProtocolError, QueueError } from "../../core/base/index.ts";
import { type ArenaHandle, type GuestMemory, lendArena } from "../../core/memory/index.ts";
import { EventFd, type OwnedFd } from "../../core/os/index.ts";
import {
  type DriverRingPlace,
  DriverWorker,
  type RingLeft,
  type RingMode,
} from "../../core/runtime/index.ts";
import type { RingFeatures } from "../../core/virtqueue/index.ts";
import { haltRing, type QueueSetup, startRing } from "./bring-up.ts";
import type { FrontendRequests } from "./requests.ts";

/** One queue that a thread drives. */
export interface ThreadQueueOptions {
  readonly index: number;
  /** Number of entries, a power of two. */
  readonly size: number;
  /** Bytes of the client's memory to use for ring and buffers. */
  readonly memoryBytes: number;
  /** The argument of the module's `createRingDriver`; it is cloned. */
  readonly data: unknown;
}

export interface ClientThreadOptions {
  /** URL of a `RingDriverModule`, which makes the drivers in the thread. */
  readonly module: string | URL;
  readonly queues: readonly ThreadQueueOptions[];
  readonly ringMode: RingMode;
}

/** The session as the thread uses it. */
interface ThreadSession {
  readonly requests: FrontendRequests;
  readonly memory: GuestMemory;
  readonly ringFeatures: RingFeatures;
  readonly features: bigint;
}

/**
 * A thread of this process that drives some of a client's queues: the driver halves of the rings
 * are in it, and the thread blocks in looking at them or in waiting for calls. Kicks, calls and
 * memory are shared with it; nothing of the data path passes this thread.
 *
 * @example
 * ```ts
 * import { availableParallelism } from "node:os";
 * import type { Client } from "vhost-user";
 *
 * // Drives a queue in a thread; `module` exports `createRingDriver`.
 * async function results(client: Client, module: URL): Promise<readonly unknown[]> {
 *   const queue = { index: 0, size: 128, memoryBytes: 1 << 20, data: availableParallelism() };
 *   const thread = await client.startThread({ module, queues: [queue], ringMode: "hybrid" });
 *   thread.go();
 *   return thread.results;
 * }
 * ```
 */
export class ClientThread {
  readonly #session: ThreadSession;
  readonly #worker: DriverWorker;
  readonly #setups: readonly ThreadQueue[];
  readonly #done: Promise<readonly unknown[]>;
  /**
   * Duplicates of the memory's descriptors, until the thread has mapped it, so that the session may
   * end meanwhile.
   */
  readonly #lent: OwnedFd[] = [];
  #failure: Error | undefined;
  #stopped = false;

  private constructor(session: ThreadSession, { module, queues, ringMode }: ClientThreadOptions) {
    const { memory, ringFeatures, features } = session;
    this.#session = session;
    this.#setups = queues.map(({ index, size }) => new ThreadQueue(index, size));
    this.#worker = new DriverWorker(
      {
        rings: queues.map(({ size, memoryBytes, data }, i) => ({
          arena: this.#lend(memory, memoryBytes),
          size,
          data,
          kick: this.#setups[i]?.kick.descriptor.fd ?? -1,
          call: this.#setups[i]?.call.descriptor.fd ?? -1,
        })),
        ringFeatures,
        features,
        mode: ringMode,
        module: String(module),
      },
      `vhost-user queues ${queues.map(({ index }) => index).join(" ")}`,
    );
    this.#done = this.#results();
    this.#done.catch(() => undefined);
    // The thread polls the descriptors until it has ended.
    void this.#worker.ended.then(() => {
      this.#collectLeft();
      for (const setup of this.#setups) setup.close();
    });
  }

  /**
   * Makes the rings in a new thread, sets them up and starts them.
   *
   * @throws {MemoryAccessError} the client's memory has no room for them
   * @throws {QueueError} the thread failed; and what requests throw
   */
  static async start(session: ThreadSession, options: ClientThreadOptions): Promise<ClientThread> {
    const thread = new ClientThread(session, options);
    try {
      const places = await thread.#worker.ready;
      thread.#collectLeft();
      for (const [i, setup] of thread.#setups.entries()) {
        const place = places[i];
        if (place === undefined) continue;
        setup.place(place);
        await startRing(session.requests, setup);
      }
      return thread;
    } catch (error) {
      await thread.close();
      throw error;
    }
  }

  /** Starts the drivers. */
  go(): void {
    this.#worker.go();
  }

  /**
   * Resolves with the results of the drivers, one for each queue, once all have finished.
   *
   * @throws {QueueError} the device broke a rule of a ring, or the thread failed
   * @throws the connection's error when it ended meanwhile
   */
  get results(): Promise<readonly unknown[]> {
    return this.#done;
  }

  /**
   * The results of the drivers, one for each queue, also where the connection ended or the device
   * broke a rule of a ring.
   *
   * @throws {QueueError} the thread failed
   */
  get lastResults(): Promise<readonly unknown[]> {
    return this.#worker.left.then((left) => left.map(({ result }) => result));
  }

  /** Asks the drivers to leave their rings at once, even with requests in flight. */
  leave(): void {
    this.#worker.ask("leave");
  }

  /** Asks the drivers to submit no more and to finish once every request has completed. */
  finish(): void {
    this.#worker.ask("finish");
  }

  /**
   * Finishes, and stops the rings.
   *
   * @throws {ProtocolError} a ring is not at the base where its driver left it
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.finish();
    const left = await this.#worker.left;
    for (const [i, { index }] of this.#setups.entries()) {
      const base = await haltRing(this.#session.requests, index);
      expectBase(index, base, left[i]);
    }
  }

  /** The connection ended: nothing completes any more. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.leave();
  }

  /** Ends the thread; resolves when nothing is used by it any more. Idempotent. */
  async close(): Promise<void> {
    await this.#worker.close();
  }

  #lend(memory: GuestMemory, bytes: number): ArenaHandle {
    const { handle, lent } = lendArena(memory.regions, memory.allocate(bytes, 4096));
    this.#lent.push(lent);
    return handle;
  }

  #collectLeft(): void {
    for (const fd of this.#lent.splice(0)) fd.close();
  }

  async #results(): Promise<readonly unknown[]> {
    const left = await this.#worker.left;
    if (this.#failure !== undefined) throw this.#failure;
    const broken = left.findIndex(({ fault }) => fault !== undefined);
    if (broken < 0) return left.map(({ result }) => result);
    throw new QueueError(
      `the device broke the rules of queue ${this.#setups[broken]?.index}: ${left[broken]?.fault}`,
    );
  }
}

function expectBase(index: number, base: number, left: RingLeft | undefined): void {
  // Outstanding requests may or may not have completed by now.
  if (left === undefined || left.published > 0 || left.base === base) return;
  throw new ProtocolError(
    `VHOST_USER_GET_VRING_BASE reply: expected the index of queue ${index} to be ${left.base}, got ${base}`,
    { request: "VHOST_USER_GET_VRING_BASE", field: "num" },
  );
}

/** The values that the front-end sends for a ring in another thread. */
class ThreadQueue implements QueueSetup {
  readonly index: number;
  readonly kick: EventFd = EventFd.create();
  readonly call: EventFd = EventFd.create();
  readonly error: EventFd = EventFd.create();
  /** The thread uses event descriptors, as it cannot send messages. */
  readonly notifications = {};
  readonly #size: number;
  #place: DriverRingPlace | undefined;

  constructor(index: number, size: number) {
    this.index = index;
    this.#size = size;
  }

  place(place: DriverRingPlace): void {
    this.#place = place;
  }

  get ring(): QueueSetup["ring"] {
    const { base = 0, descriptor = 0n, available = 0n, used = 0n } = this.#place ?? {};
    const parts = {
      descriptors: { ringAddress: descriptor },
      driver: { ringAddress: available },
      device: { ringAddress: used },
    };
    return { size: this.#size, base, parts };
  }

  close(): void {
    for (const event of [this.kick, this.call, this.error]) event.close();
  }
}
