import { NegotiationError, StateError, type WaitOptions } from "../base/index.ts";
import { GuestMemory, type GuestMemoryOptions } from "../memory/index.ts";
import type { OwnedFd, UnixSocket } from "../os/index.ts";
import { BackendRequest, protocolFeatureNames, VirtioFeature } from "../protocol/index.ts";
import { Caller, Negotiation, type Strictness } from "../session/index.ts";
import {
  acceptSocket,
  type CloseReason,
  connectSocket,
  describePeer,
  type FrameObserver,
  UnixChannel,
} from "../transport/index.ts";
import type { RingFeatures } from "../virtqueue/index.ts";
import {
  BackendChannel,
  type BackendRequestHandlers,
  featuresOfHandlers,
} from "./backend-channel.ts";
import {
  confirmStart,
  negotiate,
  shareMemory,
  startRing,
  stopRing,
  type Wishes,
} from "./bring-up.ts";
import type { HostNotifiers } from "./host-notifiers.ts";
import {
  DoorbellKick,
  featuresOfNotifications,
  inbandHandlers,
  type Kick,
  MessageKick,
  noKick,
  type Notifications,
} from "./notifications.ts";
import { ClientThread, type ClientThreadOptions } from "./client-thread.ts";
import { ClientQueue, type ClientQueueOptions } from "./queue.ts";
import { FrontendRequests } from "./requests.ts";

/** Handshake requests are answered within this time unless told otherwise, milliseconds. */
const DEFAULT_TIMEOUT_MS = 5000;

export interface ClientOptions extends WaitOptions, Wishes {
  /** Ends the session at once, whenever it aborts: what is under way then fails. */
  readonly signal?: AbortSignal | undefined;
  /** Memory shared with the back-end. Default 64 MiB in one region. */
  readonly memory?: GuestMemoryOptions | undefined;
  /** How replies are judged. Default lenient, for real peers. */
  readonly strictness?: Strictness | undefined;
  /** Sees each message. */
  readonly observe?: FrameObserver | undefined;
  /** The device's configuration changed (CONFIG_CHANGE_MSG). */
  readonly onConfigChange?: (() => void) | undefined;
  /** Serve requests of the back-end; the features that they need are used where offered. */
  readonly backendRequests?: BackendRequestHandlers | undefined;
  /** Takes doorbells that the back-end gives, and kicks by them. */
  readonly hostNotifiers?: HostNotifiers | undefined;
  /** How queues and the back-end wake each other. */
  readonly notifications?: Notifications | undefined;
  /** The back-end broke a rule on its own channel; the session goes on without the channel. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

/**
 * A front-end: talks to a back-end, shares memory with it and drives virtqueues, with no virtual
 * machine. {@link connect} brings the session up to the point where queues can be started.
 */
export class Client {
  /** Every request as a method. */
  readonly requests: FrontendRequests;
  readonly memory: GuestMemory;
  readonly #channel: UnixChannel;
  readonly #options: ClientOptions;
  readonly #backendHandlers: BackendRequestHandlers;
  readonly #queues = new Set<ClientQueue>();
  readonly #started = new Set<ClientQueue>();
  readonly #threads = new Set<ClientThread>();
  #backendChannel: BackendChannel | undefined;
  #closing: Promise<void> | undefined;
  #ignoreSignal: () => void = () => undefined;

  private constructor(socket: UnixSocket, options: ClientOptions) {
    this.#options = options;
    this.#backendHandlers = {
      [BackendRequest.ConfigChangeMsg]: () => options.onConfigChange?.(),
      ...options.hostNotifiers?.handlers,
      ...(featuresOfNotifications(options.notifications ?? {}) === 0n
        ? undefined
        : inbandHandlers((index) => [...this.#queues].find((queue) => queue.index === index))),
      ...options.backendRequests,
    };
    const peer = describePeer(socket);
    this.#channel = new UnixChannel(socket, { observe: options.observe });
    try {
      this.memory = new GuestMemory(options.memory ?? { size: 64 << 20 });
    } catch (error) {
      this.#channel.close();
      throw error;
    }
    const negotiation = new Negotiation();
    const caller = new Caller(this.#channel, {
      direction: "front-end",
      negotiation,
      strictness: options.strictness ?? "lenient",
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      describePeer: () => peer,
    });
    this.requests = new FrontendRequests(caller, negotiation);
    void this.#channel.closed.then(({ error }) => {
      for (const queue of this.#queues) queue.fail(error);
      for (const thread of this.#threads) thread.fail(error);
    });
  }

  /**
   * Connects to a listening back-end and negotiates.
   *
   * @throws {ConnectError | EnvironmentError | UsageError} see `connectSocket`
   * @throws {NegotiationError} the back-end offers no VIRTIO_F_VERSION_1
   * @throws {TimeoutError | PeerClosedError | ProtocolError | RemoteError}
   */
  static async connect(path: string, options: ClientOptions = {}): Promise<Client> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    return Client.over(await connectSocket(path, { signal, timeoutMs }), options);
  }

  /** Listens on a path for one back-end that connects, and negotiates with it. */
  static async accept(path: string, options: ClientOptions = {}): Promise<Client> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    return Client.over(await acceptSocket(path, { signal, timeoutMs }), options);
  }

  /**
   * Negotiates on a connected socket, which it takes over.
   *
   * @throws as {@link connect}, but for what concerns connecting; the signal's reason
   */
  static async over(socket: UnixSocket, options: ClientOptions = {}): Promise<Client> {
    let client: Client;
    try {
      client = new Client(socket, options);
    } catch (error) {
      socket.close();
      throw error;
    }
    const { signal } = options;
    const abort = (): void => client.#channel.close(new StateError("the session was aborted"));
    signal?.addEventListener("abort", abort, { once: true });
    client.#ignoreSignal = () => signal?.removeEventListener("abort", abort);
    try {
      signal?.throwIfAborted();
      await negotiate(client.requests, client.#wishes, () => client.#openBackendChannel());
      client.#expectNotifications();
      await shareMemory(client.requests, client.memory);
      return client;
    } catch (error) {
      client.#release();
      signal?.throwIfAborted();
      throw error;
    }
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

  /** How the connection ended; pending until then. */
  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  /** Makes a queue in shared memory; the back-end does not know of it before {@link startQueue}. */
  createQueue(
    options: Omit<ClientQueueOptions, "memory" | "features" | "notifications" | "wake">,
  ): ClientQueue {
    const queue = new ClientQueue({
      ...options,
      memory: this.memory,
      features: this.ringFeatures,
      notifications: this.#options.notifications,
      wake: (made) => this.#wakerOf(made),
    });
    this.#queues.add(queue);
    return queue;
  }

  /**
   * Sets a ring up, starts and enables it.
   *
   * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
   */
  async startQueue(queue: ClientQueue): Promise<void> {
    await startRing(this.requests, queue);
    this.#started.add(queue);
    await confirmStart(this.requests);
    // The connection may have ended right behind the last answer.
    if (queue.failure !== undefined) throw queue.failure;
    queue.start();
    // A kick at the start is harmless, and needed by back-ends that wait for one.
    queue.notify();
  }

  /**
   * Starts queues whose driver halves are in a thread of their own, which blocks in driving them.
   * They begin at {@link ClientThread.go}.
   *
   * @throws as {@link startQueue}; {@link ClientThread.start}
   */
  async startThread(options: ClientThreadOptions): Promise<ClientThread> {
    const thread = await ClientThread.start(this, options);
    this.#threads.add(thread);
    await confirmStart(this.requests);
    return thread;
  }

  /**
   * Stops a ring: the back-end completes what is in flight first. It can be started again.
   *
   * @returns where it stands
   * @throws {ProtocolError} the ring cannot stand there
   */
  async stopQueue(queue: ClientQueue): Promise<number> {
    if (!this.#started.delete(queue)) throw new StateError(`queue ${queue.index} was not started`);
    return stopRing(this.requests, queue);
  }

  /**
   * Resets one queue (VIRTIO 2.6.1): the ring is stopped, forgotten, and started afresh.
   *
   * @returns tokens of the requests that do not complete any more
   * @throws {StateError} VIRTIO_F_RING_RESET was not negotiated, or the queue was not started
   */
  async resetQueue(queue: ClientQueue): Promise<readonly number[]> {
    if ((this.features & VirtioFeature.RingReset) === 0n)
      throw new StateError("a queue can only be reset where VIRTIO_F_RING_RESET was negotiated");
    await this.stopQueue(queue);
    const dropped: number[] = [];
    queue.ring.reset((token) => dropped.push(token));
    await this.startQueue(queue);
    return dropped;
  }

  /** Stops the queues, as far as the back-end still answers, and frees everything. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What the options ask for, with what the given handlers need. */
  get #wishes(): Wishes {
    const { protocolFeatures = 0n, notifications = {} } = this.#options;
    const needed =
      featuresOfHandlers(this.#backendHandlers) | featuresOfNotifications(notifications);
    return { ...this.#options, protocolFeatures: protocolFeatures | needed };
  }

  /** @throws {NegotiationError} notifications by message are not to be had */
  #expectNotifications(): void {
    const missing =
      featuresOfNotifications(this.#options.notifications ?? {}) & ~this.protocolFeatures;
    if (missing === 0n) return;
    throw new NegotiationError(
      `notifications by message: the back-end does not offer ${protocolFeatureNames(missing).join(", ")}; ` +
        `use eventfd or none`,
    );
  }

  #wakerOf(queue: ClientQueue): Kick | undefined {
    const { notifications = {}, hostNotifiers } = this.#options;
    const { index } = queue;
    if (notifications.kick === "none") return noKick;
    if (notifications.kick === "message") {
      return new MessageKick(
        async () => this.requests.vringKick(index),
        (error) => queue.fail(error),
      );
    }
    return hostNotifiers && new DoorbellKick(hostNotifiers, index, queue.kick);
  }

  /** Returns the end that goes to the back-end. */
  #openBackendChannel(): OwnedFd {
    const { strictness = "lenient", observe, onProblem } = this.#options;
    this.#backendChannel = new BackendChannel({
      negotiation: this.requests.negotiation,
      strictness,
      observe,
      handlers: this.#backendHandlers,
      onProblem: (problem) => onProblem?.(problem),
    });
    return this.#backendChannel.theirs;
  }

  async #close(): Promise<void> {
    try {
      for (const queue of this.#started) await this.stopQueue(queue);
      for (const thread of this.#threads) await thread.stop();
    } catch (error) {
      // It is on its way out; a peer that is gone or silent cannot be stopped any further.
      if (error instanceof TypeError || error instanceof RangeError) throw error;
    } finally {
      this.#release();
      for (const thread of this.#threads) await thread.close();
    }
  }

  #release(): void {
    this.#ignoreSignal();
    this.#channel.close();
    this.#backendChannel?.close();
    this.#options.hostNotifiers?.close();
    for (const queue of this.#queues) queue.close();
    for (const thread of this.#threads) void thread.close();
    this.memory.close();
  }
}
