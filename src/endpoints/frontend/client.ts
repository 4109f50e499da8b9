import { Deferred, onAbort, StateError, UsageError } from "../../core/base/index.ts";
import type { GuestMemory } from "../../core/memory/index.ts";
import type { UnixSocket } from "../../core/os/index.ts";
import { VirtioFeature } from "../../core/protocol/index.ts";
import { acceptSocket, type CloseReason, connectSocket } from "../../core/transport/index.ts";
import type { RingFeatures } from "../../core/virtqueue/index.ts";
import { handlersOf } from "./backend-handlers.ts";
import { confirmStart } from "./bring-up.ts";
import type { ClientOptions } from "./client-options.ts";
import { ClientIommu } from "./iommu.ts";
import { makeMemory, settleMemory, shareMemory } from "./memory-sharing.ts";
import { ClientThread, type ClientThreadOptions } from "./client-thread.ts";
import { ClientQueues } from "./client-queues.ts";
import type { ClientQueue, ClientQueueOptions } from "./queue.ts";
import { migrate, type MigrationOptions, type MigrationReport } from "./migration/migrate.ts";
import { beginSession, DEFAULT_TIMEOUT_MS, type Dial } from "./reconnect.ts";
import { Recovery } from "./recovery.ts";
import type { FrontendRequests } from "./requests.ts";
import { SessionLink } from "./session-link.ts";
import { meanwhile, withinTime } from "./together.ts";

/**
 * A front-end: talks to a back-end, shares memory with it and drives virtqueues, with no virtual
 * machine. {@link connect} brings the session up to the point where queues can be started. Queues
 * and memory belong to the session: with {@link ClientOptions.reconnect} they outlive a connection.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { BLOCK_DRIVER_FEATURES, BlockDriver } from "vhost-user/devices/block";
 *
 * const client = await Client.connect("disk.sock", { deviceFeatures: BLOCK_DRIVER_FEATURES });
 * const disk = await BlockDriver.start(client);
 * const sector = await disk.read(0, 512);
 * await client.close();
 * ```
 */
export class Client {
  /** The IOMMU, if the options have one. */
  readonly iommu: ClientIommu | undefined;
  readonly #options: ClientOptions;
  readonly #recovery: Recovery | undefined;
  readonly #queues: ClientQueues;
  readonly #link: SessionLink;
  readonly #configListeners = new Set<() => void>();
  readonly #threads = new Set<ClientThread>();
  readonly #closed = new Deferred<CloseReason>();
  #memory: GuestMemory | undefined;
  #closing: Promise<void> | undefined;
  #ignoreSignal: () => void = () => undefined;

  private constructor(socket: UnixSocket, options: ClientOptions, dial: Dial | undefined) {
    this.#options = options;
    this.#recovery = dial && new Recovery();
    this.#queues = new ClientQueues(this, options, this.#recovery);
    this.iommu = ClientIommu.where(options.iommu, {
      memory: () => this.memory,
      send: async (message) => this.requests.iotlbMsg(message),
    });
    const session = {
      options,
      handlers: handlersOf(
        options,
        () => this.#queues.all,
        () => this.#configListeners.forEach((listener) => listener()),
      ),
      iommu: this.iommu,
      queues: this.#queues,
      memory: () => this.memory,
      ended: (reason: CloseReason) => this.#end(reason),
    };
    this.#link = new SessionLink(socket, session, dial, this.#recovery);
  }

  /**
   * Connects to a listening back-end and negotiates.
   *
   * @throws {ConnectError | EnvironmentError | UsageError} see `connectSocket`
   * @throws {NegotiationError} the back-end offers no VIRTIO_F_VERSION_1
   * @throws {TimeoutError | PeerClosedError | ProtocolError | RemoteError}
   */
  static async connect(path: string, options: ClientOptions = {}): Promise<Client> {
    return Client.#dialled(async (wait) => connectSocket(path, wait), options);
  }

  /**
   * Listens on a path for one back-end that connects, and negotiates with it. To reconnect, it
   * listens there again.
   */
  static async accept(path: string, options: ClientOptions = {}): Promise<Client> {
    return Client.#dialled(async (wait) => acceptSocket(path, wait), options);
  }

  /**
   * Negotiates on a connected socket, which it takes over.
   *
   * @throws {NegotiationError | ProtocolError | PeerClosedError | TimeoutError}; the signal's
   *   reason
   * @throws {UsageError} `reconnect`, which needs a path
   */
  static async over(socket: UnixSocket, options: ClientOptions = {}): Promise<Client> {
    if (options.reconnect !== undefined) {
      socket.close();
      throw new UsageError(
        "reconnect needs a socket path, and this client has a connected socket; use Client.connect",
      );
    }
    return Client.#begin(options, undefined, socket);
  }

  static async #dialled(dial: Dial, options: ClientOptions): Promise<Client> {
    return beginSession(options, dial, async (...made) => Client.#begin(options, dial, ...made));
  }

  static async #begin(
    options: ClientOptions,
    dial: Dial | undefined,
    socket: UnixSocket,
    leftMs: number = Infinity,
  ): Promise<Client> {
    let client: Client;
    try {
      client = new Client(socket, options, options.reconnect && dial);
    } catch (error) {
      socket.close();
      throw error;
    }
    const { signal } = options;
    client.#ignoreSignal = onAbort(signal, () =>
      client.#link.close(new StateError("the session was aborted")),
    );
    try {
      signal?.throwIfAborted();
      const { connection, wishes } = client.#link;
      const agreed = connection.negotiate(wishes, async (requests) => {
        const memory = settleMemory(requests, client.memory);
        await (client.#recovery?.shareMemory(requests, memory) ?? shareMemory(requests, memory));
      });
      const ready = meanwhile(agreed, () => (client.#memory = makeMemory(options)));
      await withinTime(leftMs, connection, ready);
      client.#link.watch();
      return client;
    } catch (error) {
      client.#release();
      signal?.throwIfAborted();
      throw error;
    }
  }

  /** Every request as a method, on the connection that there is now. */
  get requests(): FrontendRequests {
    return this.#link.connection.requests;
  }

  /**
   * Calls `listener` whenever the back-end says that the configuration space changed. Returns a function
   * that ends this.
   */
  onConfigChange(listener: () => void): () => void {
    this.#configListeners.add(listener);
    return () => this.#configListeners.delete(listener);
  }

  /** Number of reconnections of the session. */
  get reconnects(): number {
    return this.#link.reconnects;
  }

  /** Total number of requests that were resubmitted because their back-end was lost. */
  get replayed(): number {
    return this.#link.replayed;
  }

  /** The memory that is shared with the back-end. Buffers are allocated from it. */
  get memory(): GuestMemory {
    if (this.#memory === undefined) throw new StateError("there is no memory before negotiation");
    return this.#memory;
  }

  /** Virtio features in use. */
  get features(): bigint {
    return this.requests.negotiation.features;
  }

  /** Protocol features in use. */
  get protocolFeatures(): bigint {
    return this.requests.negotiation.protocolFeatures;
  }

  get ringFeatures(): RingFeatures {
    return {
      eventIdx: (this.features & VirtioFeature.EventIdx) !== 0n,
      indirect: (this.features & VirtioFeature.IndirectDesc) !== 0n,
      packed: (this.features & VirtioFeature.RingPacked) !== 0n,
      inOrder: (this.features & VirtioFeature.InOrder) !== 0n,
    };
  }

  /**
   * Resolves with the reason when the session has ended. It stays pending while the client
   * reconnects.
   */
  get closed(): Promise<CloseReason> {
    return this.#closed.promise;
  }

  /** Makes a queue in shared memory; the back-end does not see it before {@link startQueue}. */
  createQueue(
    options: Omit<ClientQueueOptions, "memory" | "features" | "notifications" | "wake">,
  ): ClientQueue {
    return this.#queues.create(options);
  }

  /**
   * Sets a ring up, starts and enables it.
   *
   * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
   * @throws {StateError} with `reconnect`: a queue was made after the first one was started
   */
  async startQueue(queue: ClientQueue): Promise<void> {
    await this.#queues.start(queue);
  }

  /**
   * Starts queues whose driver halves are in a thread of their own, which blocks in driving them.
   * They begin at {@link ClientThread.go}.
   *
   * @throws {MemoryAccessError} the client's memory has no room for the rings
   * @throws {QueueError} the thread failed
   * @throws {RemoteError | ProtocolError | PeerClosedError | TimeoutError}
   * @throws {UsageError} with `reconnect`: such queues do not outlive a connection
   */
  async startThread(options: ClientThreadOptions): Promise<ClientThread> {
    if (this.#recovery !== undefined)
      throw new UsageError("reconnect and queues in threads cannot be combined");
    const thread = await ClientThread.start(this, options);
    this.#threads.add(thread);
    await confirmStart(this.requests);
    return thread;
  }

  /**
   * Stops a ring: the back-end completes what is in flight first. It can be started again.
   *
   * @returns its base
   * @throws {ProtocolError} the ring cannot be at that base
   */
  async stopQueue(queue: ClientQueue): Promise<number> {
    return this.#queues.stop(queue);
  }

  /**
   * Resets one queue (VIRTIO 2.6.1): the ring is stopped, forgotten, and started afresh.
   *
   * @returns tokens of the requests that do not complete any more
   * @throws {StateError} VIRTIO_F_RING_RESET was not negotiated, or the queue was not started
   */
  async resetQueue(queue: ClientQueue): Promise<readonly number[]> {
    return this.#queues.reset(queue);
  }

  /**
   * Moves the session to the back-end that listens on another path, while its queues run.
   *
   * @throws {NegotiationError} the source cannot log what it writes
   * @throws {RemoteError} a back-end failed to save or load its state
   * @throws {ConnectError | PeerClosedError | TimeoutError | ProtocolError}
   * @throws {UsageError} queues in threads, or an IOMMU: these do not move
   */
  async migrate(path: string, options: MigrationOptions = {}): Promise<MigrationReport> {
    if (this.#threads.size > 0 || this.iommu !== undefined)
      throw new UsageError("migrate and queues in threads, or an IOMMU, cannot be combined");
    const dial: Dial = async (wait) => connectSocket(path, wait);
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = { ...this.#options, ...options };
    const destination = this.#link.connectionOn(await dial({ signal, timeoutMs }));
    this.#recovery?.allStopped();
    const session = {
      wishes: this.#link.wishes,
      memory: this.memory,
      queues: this.#queues.started,
      prepare: async (to: FrontendRequests, queue: ClientQueue) =>
        this.#recovery?.prepare(to, queue, this.#queues.all),
      moved: () => this.#link.moveTo(destination, dial),
    };
    return migrate(this.#link.connection, destination, session, options);
  }

  /** Stops the queues, as far as the back-end still answers, and frees everything. Idempotent. */
  async close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(reason: CloseReason): void {
    this.#queues.fail(reason.error);
    for (const thread of this.#threads) thread.fail(reason.error);
    this.#closed.resolve(reason);
  }

  async #close(): Promise<void> {
    try {
      await this.#queues.stopAll();
      for (const thread of this.#threads) await thread.stop();
    } catch (error) {
      // The client is closing, and a lost or silent peer cannot be stopped.
      if (error instanceof TypeError || error instanceof RangeError) throw error;
    } finally {
      this.#release();
      for (const thread of this.#threads) await thread.close();
    }
  }

  #release(): void {
    this.#ignoreSignal();
    this.#link.close();
    this.#options.hostNotifiers?.close();
    this.#queues.close();
    for (const thread of this.#threads) void thread.close();
    this.#recovery?.close();
    this.#memory?.close();
  }
}
