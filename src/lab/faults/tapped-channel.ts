import type { OwnedFd } from "../../core/os/index.ts";
import { HeaderFlag } from "../../core/protocol/index.ts";
import type { Channel, CloseReason, Frame, FrameHandler } from "../../core/transport/index.ts";

/** What a fault does to the messages that pass; what it leaves out passes unchanged. */
export interface Tap {
  /** In place of sending a reply. */
  readonly reply?: (frame: Frame, channel: Channel) => Promise<void>;
  /** Before a request is served; descriptors may be looked at, and must stay. */
  readonly request?: (frame: Frame, channel: Channel) => Promise<void> | void;
  /** After a request was served. @param replied whether a reply was sent */
  readonly served?: (request: number, replied: boolean, channel: Channel) => Promise<void>;
}

/** A channel with a {@link Tap} in it. */
export class TappedChannel implements Channel {
  readonly #channel: Channel;
  readonly #tap: Tap;
  #replies = 0;

  constructor(channel: Channel, tap: Tap) {
    this.#channel = channel;
    this.#tap = tap;
  }

  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  async send(frame: Frame): Promise<void> {
    if ((frame.header.flags & HeaderFlag.Reply) === 0) return this.#channel.send(frame);
    this.#replies += 1;
    return this.#tap.reply?.(frame, this.#channel) ?? this.#channel.send(frame);
  }

  async sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    return this.#channel.sendBytes(bytes, fds);
  }

  onFrame(handler: FrameHandler): void {
    this.#channel.onFrame(async (frame) => {
      const { request } = frame.header;
      const before = this.#replies;
      await this.#tap.request?.(frame, this.#channel);
      await handler(frame);
      await this.#tap.served?.(request, this.#replies > before, this.#channel);
    });
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }
}
