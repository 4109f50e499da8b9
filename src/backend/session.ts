import { ProtocolError } from "../base/index.ts";
import { RegionTable } from "../memory/index.ts";
import { type OwnedFd, UnixSocket } from "../os/index.ts";
import { BackendRequest, ProtocolFeature, VirtioFeature } from "../protocol/index.ts";
import {
  Answerer,
  Caller,
  Negotiation,
  type RequestHandler,
  type Strictness,
} from "../session/index.ts";
import {
  type Channel,
  type CloseReason,
  type FrameObserver,
  UnixChannel,
} from "../transport/index.ts";
import type { DeviceQueue } from "../virtqueue/index.ts";
import type { Device } from "./device.ts";
import { answerConfig } from "./handlers/config.ts";
import { answerMemory } from "./handlers/memory.ts";
import { answerNegotiation } from "./handlers/negotiation.ts";
import { answerVrings } from "./handlers/vrings.ts";
import { type RingOptions, Vring } from "./vring.ts";

/** Virtio features of transport and rings that every back-end offers. */
export const BACKEND_RING_FEATURES: bigint =
  VirtioFeature.Version1 |
  VirtioFeature.IndirectDesc |
  VirtioFeature.EventIdx |
  VirtioFeature.RingPacked |
  VirtioFeature.ProtocolFeatures;

/** Protocol features that every back-end offers; CONFIG comes with a device that has one. */
export const BACKEND_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status;

/** How long the front-end may take to answer on the back-end channel, milliseconds. */
const CHANNEL_TIMEOUT_MS = 5000;

/** Places to look at or change what passes, for tests and observers; each is optional. */
export interface BackendHooks {
  /** Sees each message. */
  readonly observe?: FrameObserver | undefined;
  readonly channel?: ((channel: Channel) => Channel) | undefined;
  readonly handler?: ((request: number, handler: RequestHandler) => RequestHandler) | undefined;
  readonly queue?: ((queue: DeviceQueue) => DeviceQueue) | undefined;
}

export interface SessionOptions extends BackendHooks {
  readonly device: Device;
  /** Features not to offer although they are implemented. */
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint } | undefined;
  /**
   * Where and when rings are served. With a hook for queues they stay on the event loop, as a hook
   * cannot go elsewhere.
   */
  readonly rings?: RingOptions | undefined;
  /** How requests are judged. Default lenient. */
  readonly strictness?: Strictness | undefined;
  /** Something was refused, or a ring broke; the session may go on. */
  readonly onProblem?: ((problem: Error) => void) | undefined;
}

/** A back-end's side of one connection: state, memory, rings, and the device behind them. */
export class BackendSession {
  readonly device: Device;
  readonly negotiation = new Negotiation();
  readonly memory = new RegionTable();
  readonly vrings: readonly Vring[];
  /** Features that are offered. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** Virtio device status byte. */
  status = 0;
  readonly #channel: Channel;
  readonly #options: SessionOptions;
  #backendChannel: { channel: Channel; caller: Caller } | undefined;

  /** @param socket taken over */
  constructor(socket: UnixSocket, options: SessionOptions) {
    const { device, without, strictness = "lenient", onProblem } = options;
    this.#options = options;
    this.device = device;
    this.features = (device.features | BACKEND_RING_FEATURES) & ~(without?.virtio ?? 0n);
    const config = device.config === undefined ? 0n : ProtocolFeature.Config;
    this.protocolFeatures = (BACKEND_PROTOCOL_FEATURES | config) & ~(without?.protocol ?? 0n);
    this.negotiation.offered = this.features;
    this.vrings = Array.from({ length: device.maxQueues }, (_, index) => this.#vring(index));
    const channel = new UnixChannel(socket, { observe: options.observe });
    try {
      this.#channel = options.channel?.(channel) ?? channel;
      this.#start(strictness, onProblem);
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  #start(strictness: Strictness, onProblem: SessionOptions["onProblem"]): void {
    const { handler: wrap } = this.#options;
    const answerer = new Answerer(this.#channel, {
      direction: "front-end",
      negotiation: this.negotiation,
      strictness,
      onRefused: onProblem,
    });
    const on = (request: number, handler: RequestHandler): void =>
      answerer.on(request, wrap?.(request, handler) ?? handler);
    for (const answer of [answerNegotiation, answerMemory, answerVrings, answerConfig])
      answer(this, on);
    void this.#channel.closed.then(() => this.#end());
    answerer.start();
  }

  /** How the connection ended; pending until then. */
  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  /** @throws {ProtocolError} the device has no such ring */
  vring(index: number, request: string): Vring {
    const vring = this.vrings[index];
    if (vring !== undefined) return vring;
    throw new ProtocolError(
      `${request}: expected a ring index below ${this.vrings.length}, got ${index}`,
      { request, field: "index" },
    );
  }

  /** Takes a socket for requests of our own (SET_BACKEND_REQ_FD), in place of an earlier one. */
  openBackendChannel(fd: OwnedFd): void {
    let channel: UnixChannel;
    try {
      channel = new UnixChannel(UnixSocket.adopt(fd), { observe: this.#options.observe });
    } catch (error) {
      fd.close();
      throw error;
    }
    this.#backendChannel?.channel.close();
    const caller = new Caller(channel, {
      direction: "back-end",
      negotiation: this.negotiation,
      strictness: "lenient",
      timeoutMs: CHANNEL_TIMEOUT_MS,
    });
    this.#backendChannel = { channel, caller };
  }

  /**
   * Tells the front-end to read the configuration again (CONFIG_CHANGE_MSG); without a back-end
   * channel it cannot be told.
   *
   * @throws {NegotiationError | TimeoutError | RemoteError | PeerClosedError}
   */
  async configChanged(): Promise<void> {
    await this.#backendChannel?.caller.call(BackendRequest.ConfigChangeMsg, undefined);
  }

  /** Stops all rings and puts the device back to its beginning. */
  async reset(): Promise<void> {
    for (const vring of this.vrings) {
      await vring.setEnabled(false);
      await vring.stop();
    }
    this.device.reset?.();
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }

  /** The connection is gone; what the device still has in work is waited for before unmapping. */
  #end(): void {
    this.#backendChannel?.channel.close();
    const drained = this.vrings.map(async (vring) => {
      await vring.close();
      await this.device.quiesce?.(vring.index);
    });
    void Promise.allSettled(drained).then(() => {
      this.memory.close();
      this.device.close?.();
    });
  }

  #vring(index: number): Vring {
    const { onProblem, queue, rings } = this.#options;
    return new Vring(index, {
      device: this.device,
      memory: this.memory,
      features: () => this.negotiation.features,
      rings: { mode: rings?.mode, workers: rings?.workers === true && queue === undefined },
      wrapQueue: queue ?? ((plain) => plain),
      onBroken: (vring) =>
        onProblem?.(new ProtocolError(`ring ${vring.index} is broken: ${vring.brokenReason}`)),
    });
  }
}
