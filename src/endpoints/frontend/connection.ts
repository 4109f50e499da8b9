import { NegotiationError } from "../../core/base/index.ts";
import { describeProcess, type UnixSocket } from "../../core/os/index.ts";
import { BackendRequest, type Iotlb, protocolFeatureNames } from "../../core/protocol/index.ts";
import { Caller, Negotiation, type Strictness } from "../../core/session/index.ts";
import { type CloseReason, type FrameObserver, UnixChannel } from "../../core/transport/index.ts";
import {
  BackendChannel,
  type BackendRequestHandlers,
  featuresOfHandlers,
} from "./backend-channel.ts";
import { negotiate, type Wishes } from "./bring-up.ts";
import type { ClientIommu } from "./iommu.ts";
import { featuresOfNotifications, type Notifications } from "./notifications.ts";
import { FrontendRequests } from "./requests.ts";

export interface ConnectionOptions {
  readonly strictness?: Strictness | undefined;
  readonly observe?: FrameObserver | undefined;
  readonly notifications?: Notifications | undefined;
  readonly onProblem?: ((problem: Error) => void) | undefined;
  /** Time-out of each request, milliseconds. */
  readonly timeoutMs: number;
  readonly handlers: BackendRequestHandlers;
  /** Answers IOTLB misses; undefined if there is no IOMMU. */
  readonly translator?: ClientIommu | undefined;
}

/**
 * One connection to a back-end: its channel, what was agreed on it, and the channel for requests of
 * the back-end. A session that reconnects has one after the other.
 */
export class Connection {
  /** Every request as a method. */
  readonly requests: FrontendRequests;
  readonly #channel: UnixChannel;
  readonly #options: ConnectionOptions;
  #backendChannel: BackendChannel | undefined;

  /** @param socket taken over */
  constructor(socket: UnixSocket, options: ConnectionOptions) {
    this.#options = options;
    const { pid } = socket.peer;
    this.#channel = new UnixChannel(socket, { observe: options.observe });
    const negotiation = new Negotiation();
    const caller = new Caller(this.#channel, {
      direction: "front-end",
      negotiation,
      strictness: options.strictness ?? "lenient",
      timeoutMs: options.timeoutMs,
      // Looked up when it is needed: reading a process's name takes longer than asking for features.
      describePeer: () => describeProcess(pid),
    });
    this.requests = new FrontendRequests(caller, negotiation);
  }

  /**
   * Agrees on features: those of the wishes, with what handlers and notifications need.
   *
   * @param next sends at once, without waiting for the virtio features to be acknowledged, what
   * follows them
   * @throws {NegotiationError} the back-end offers no VIRTIO_F_VERSION_1, or no notifications by
   * message where those are wanted
   */
  async negotiate(
    wishes: Wishes,
    next: (requests: FrontendRequests) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { handlers, notifications = {} } = this.#options;
    const byMessage = featuresOfNotifications(notifications);
    const needed = featuresOfHandlers(handlers) | byMessage;
    const protocolFeatures = (wishes.protocolFeatures ?? 0n) | needed;
    const open = (): BackendChannel => this.#openBackendChannel();
    await negotiate(this.requests, { ...wishes, protocolFeatures }, open, next);
    const missing = byMessage & ~this.requests.negotiation.protocolFeatures;
    if (missing === 0n) return;
    throw new NegotiationError(
      `notifications by message: the back-end does not offer ${protocolFeatureNames(missing).join(", ")}; ` +
        `use eventfd or none`,
    );
  }

  /** Resolves with the reason when the connection has ended. */
  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  /** Releases everything that this object owns. Idempotent. */
  close(reason?: Error): void {
    this.#channel.close(reason);
    this.#backendChannel?.close();
  }

  #openBackendChannel(): BackendChannel {
    const { strictness = "lenient", observe, onProblem, translator } = this.#options;
    const update = async (message: Iotlb): Promise<void> => this.requests.iotlbMsg(message);
    const misses: BackendRequestHandlers = translator
      ? { [BackendRequest.IotlbMsg]: async (miss) => translator.answer(miss, update) }
      : {};
    this.#backendChannel = new BackendChannel({
      negotiation: this.requests.negotiation,
      strictness,
      observe,
      handlers: { ...misses, ...this.#options.handlers },
      onProblem: (problem) => onProblem?.(problem),
    });
    return this.#backendChannel;
  }
}
