import { NegotiationError, ProtocolError, StateError, type WaitOptions } from "../base/index.ts";
import { GuestMemory, type GuestMemoryOptions } from "../memory/index.ts";
import type { UnixSocket } from "../os/index.ts";
import { ProtocolFeature, VirtioFeature } from "../protocol/index.ts";
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
import { BackendChannel } from "./backend-channel.ts";
import { ClientQueue, type ClientQueueOptions } from "./queue.ts";
import { FrontendRequests } from "./requests.ts";

/** Virtio features of transport and rings that this client can use; device bits come on top. */
export const CLIENT_RING_FEATURES: bigint =
  VirtioFeature.Version1 | VirtioFeature.IndirectDesc | VirtioFeature.EventIdx;

/** Protocol features that this client can use. */
export const CLIENT_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.Config |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status;

/** Handshake requests are answered within this time unless told otherwise, milliseconds. */
const DEFAULT_TIMEOUT_MS = 5000;

/** Bits of the virtio device status, VIRTIO 2.1. */
const Status = { Acknowledge: 1, Driver: 2, DriverOk: 4, FeaturesOk: 8 } as const;

export interface ClientOptions extends WaitOptions {
  /** Ends the session at once, whenever it aborts: what is under way then fails. */
  readonly signal?: AbortSignal | undefined;
  /** Device feature bits to use where they are offered. Default none. */
  readonly deviceFeatures?: bigint | undefined;
  /** Uses packed rings where they are offered. Default false: split rings, as QEMU does. */
  readonly packed?: boolean | undefined;
  /** Features not to use although they are offered. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint } | undefined;
  /** Memory shared with the back-end. Default 64 MiB in one region. */
  readonly memory?: GuestMemoryOptions | undefined;
  /** How replies are judged. Default lenient, for real peers. */
  readonly strictness?: Strictness | undefined;
  /** Sees each message. */
  readonly observe?: FrameObserver | undefined;
  /** The device's configuration changed (CONFIG_CHANGE_MSG). */
  readonly onConfigChange?: (() => void) | undefined;
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
  readonly #queues = new Set<ClientQueue>();
  readonly #started = new Set<ClientQueue>();
  #backendChannel: BackendChannel | undefined;
  #closing: Promise<void> | undefined;
  #ignoreSignal: () => void = () => undefined;

  private constructor(socket: UnixSocket, options: ClientOptions) {
    this.#options = options;
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
      await client.#negotiate();
      await client.#shareMemory();
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
    };
  }

  /** How the connection ended; pending until then. */
  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  /** Makes a queue in shared memory; the back-end does not know of it before {@link startQueue}. */
  createQueue(options: Omit<ClientQueueOptions, "memory" | "features">): ClientQueue {
    const queue = new ClientQueue({
      ...options,
      memory: this.memory,
      features: this.ringFeatures,
    });
    this.#queues.add(queue);
    return queue;
  }

  /** Sets a ring up, starts and enables it. */
  async startQueue(queue: ClientQueue): Promise<void> {
    const { requests } = this;
    const { index, ring } = queue;
    const { descriptors, driver, device } = ring.parts;
    await requests.setVringNum(index, ring.size);
    await requests.setVringBase(index, ring.base);
    await requests.setVringAddr({
      index,
      flags: 0,
      descriptor: descriptors.userAddress,
      available: driver.userAddress,
      used: device.userAddress,
      log: 0n,
    });
    await requests.setVringErr(index, queue.error.descriptor);
    await requests.setVringCall(index, queue.call.descriptor);
    await requests.setVringKick(index, queue.kick.descriptor);
    this.#started.add(queue);
    if ((this.features & VirtioFeature.ProtocolFeatures) !== 0n) {
      await requests.setVringEnable(index, true);
    }
    if (this.#started.size === 1) await this.#setStatus(Status.DriverOk);
    // libvhost-user acknowledges everything with success and closes afterwards: only an answer to
    // one more request shows that the ring was accepted.
    await requests.getFeatures();
    queue.start();
    // A kick at the start is harmless, and needed by back-ends that wait for one.
    queue.kick.signal();
  }

  /**
   * Stops a ring: the back-end completes what is in flight first. It can be started again.
   *
   * @returns the next available index
   * @throws {ProtocolError} the back-end's index is none that the ring can have
   */
  async stopQueue(queue: ClientQueue): Promise<number> {
    const { requests } = this;
    if (!this.#started.delete(queue)) throw new StateError(`queue ${queue.index} was not started`);
    if ((this.features & VirtioFeature.ProtocolFeatures) !== 0n) {
      await requests.setVringEnable(queue.index, false);
    }
    const base = await requests.getVringBase(queue.index);
    queue.stop();
    queue.collect();
    const { ring } = queue;
    if (!ring.isPossibleBase(base)) {
      const [expected, actual] = [`${ring.base} and up to ${ring.outstanding} more`, String(base)];
      throw new ProtocolError(
        `VHOST_USER_GET_VRING_BASE reply: expected the index of queue ${queue.index} to be ${expected}, got ${actual}`,
        { request: "VHOST_USER_GET_VRING_BASE", field: "num", expected, actual },
      );
    }
    return base;
  }

  /** Stops the queues, as far as the back-end still answers, and frees everything. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #negotiate(): Promise<void> {
    const { requests } = this;
    const { without, deviceFeatures = 0n, packed } = this.#options;
    const offered = await requests.getFeatures();
    if ((offered & VirtioFeature.Version1) === 0n) {
      throw new NegotiationError(
        `expected a back-end that offers VIRTIO_F_VERSION_1, got features 0x${offered.toString(16)}`,
      );
    }
    const withProtocol = (offered & VirtioFeature.ProtocolFeatures) !== 0n;
    if (withProtocol) {
      const wanted = CLIENT_PROTOCOL_FEATURES & ~(without?.protocol ?? 0n);
      await requests.setProtocolFeatures((await requests.getProtocolFeatures()) & wanted);
      if (requests.negotiation.has(ProtocolFeature.BackendReq)) await this.#openBackendChannel();
    }
    await requests.setOwner();
    await this.#setStatus(Status.Acknowledge | Status.Driver);
    const format = packed ? VirtioFeature.RingPacked : 0n;
    const wanted = (CLIENT_RING_FEATURES | format | deviceFeatures) & ~(without?.virtio ?? 0n);
    const gate = withProtocol ? VirtioFeature.ProtocolFeatures : 0n;
    await requests.setFeatures((offered & wanted) | gate);
    await this.#setStatus(Status.FeaturesOk);
  }

  async #openBackendChannel(): Promise<void> {
    const { strictness = "lenient", observe, onConfigChange, onProblem } = this.#options;
    const channel = new BackendChannel({
      negotiation: this.requests.negotiation,
      strictness,
      observe,
      onConfigChange: () => onConfigChange?.(),
      onProblem: (problem) => onProblem?.(problem),
    });
    this.#backendChannel = channel;
    await this.requests.setBackendReqFd(channel.theirs);
    channel.theirs.close();
  }

  async #shareMemory(): Promise<void> {
    const { regions } = this.memory;
    if (!this.requests.negotiation.has(ProtocolFeature.ConfigureMemSlots)) {
      await this.requests.setMemTable(
        regions.map(({ description }) => description),
        regions.map(({ fd }) => fd),
      );
      return;
    }
    for (const { description, fd } of regions) {
      await this.requests.addMemReg(description, fd);
    }
  }

  /** Adds bits to the device status, where the back-end wants to be told of it. */
  async #setStatus(bits: number): Promise<void> {
    if (!this.requests.negotiation.has(ProtocolFeature.Status)) return;
    const before = await this.requests.getStatus();
    await this.requests.setStatus(before | bits);
  }

  async #close(): Promise<void> {
    try {
      for (const queue of this.#started) await this.stopQueue(queue);
    } catch (error) {
      // It is on its way out; a peer that is gone or silent cannot be stopped any further.
      if (error instanceof TypeError || error instanceof RangeError) throw error;
    } finally {
      this.#release();
    }
  }

  #release(): void {
    this.#ignoreSignal();
    this.#channel.close();
    this.#backendChannel?.close();
    for (const queue of this.#queues) queue.close();
    this.memory.close();
  }
}
