import { Deferred } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import { HeaderFlag } from "../../core/protocol/index.ts";
import type { Channel, CloseReason, Frame, FrameHandler } from "../../core/transport/index.ts";

/** The hooks of an {@link Interceptor}. Without a hook, frames pass unchanged. */
export interface Interception {
  /**
   * Sees a frame of the peer before it is handled. Descriptors that the frame keeps are closed after
   * the handler.
   *
   * @returns the frame to handle, this one or another; `undefined` drops it
   */
  readonly received?: (
    frame: Frame,
    channel: Channel,
  ) => Frame | undefined | Promise<Frame | undefined>;
  /** Sends a frame to the peer by `channel.send`, or does something else instead. */
  readonly send?: (frame: Frame, channel: Channel) => Promise<void>;
  /** Runs after a frame of the peer was handled. `answered`: a reply was sent meanwhile. */
  readonly handled?: (request: number, answered: boolean, channel: Channel) => Promise<void>;
}

export interface InterceptorOptions extends Interception {
  /**
   * Reads the first frame before anyone calls {@link Channel.onFrame}, and keeps it until then.
   * Default false: nothing is read without a handler.
   */
  readonly readAhead?: boolean | undefined;
}

/**
 * A channel around a channel, which sees and may change each frame in both directions.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { echoDevice } from "vhost-user/devices/net";
 * import { FrontendRequest } from "vhost-user/protocol";
 * import { Interceptor } from "vhost-user/testing";
 *
 * // Drops every SET_OWNER that the front-end sends.
 * const server = await BackendServer.listen("deaf.sock", {
 *   device: () => echoDevice(),
 *   channel: (channel) =>
 *     new Interceptor(channel, {
 *       received: (frame) =>
 *         frame.header.request === FrontendRequest.SetOwner ? undefined : frame,
 *     }),
 * });
 * server.close();
 * ```
 */
export class Interceptor implements Channel {
  readonly #channel: Channel;
  readonly #options: InterceptorOptions;
  readonly #handler = new Deferred<FrameHandler>();
  #replies = 0;

  constructor(channel: Channel, options: InterceptorOptions) {
    this.#channel = channel;
    this.#options = options;
    if (options.readAhead === true) this.#read();
    // A frame that waits for a handler must not outlive the channel.
    void channel.closed.then(() => this.#handler.resolve(() => undefined));
  }

  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  async send(frame: Frame): Promise<void> {
    if ((frame.header.flags & HeaderFlag.Reply) !== 0) this.#replies += 1;
    return this.#options.send?.(frame, this.#channel) ?? this.#channel.send(frame);
  }

  async sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    return this.#channel.sendBytes(bytes, fds);
  }

  onFrame(handler: FrameHandler): void {
    this.#handler.resolve(handler);
    if (this.#options.readAhead !== true) this.#read();
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }

  #read(): void {
    const { received, handled } = this.#options;
    this.#channel.onFrame(async (frame) => {
      const { request } = frame.header;
      const before = this.#replies;
      const passed = received ? await received(frame, this.#channel) : frame;
      if (passed === undefined) return;
      const handler = await this.#handler.promise;
      await handler(passed);
      await handled?.(request, this.#replies > before, this.#channel);
    });
  }
}
