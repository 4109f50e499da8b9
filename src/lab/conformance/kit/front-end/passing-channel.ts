import type { OwnedFd } from "../../../../core/os/index.ts";
import type {
  Channel,
  CloseReason,
  Frame,
  FrameHandler,
} from "../../../../core/transport/index.ts";

/** What is done with the messages that pass; left out: they pass. */
export interface Passing {
  /** A request, before it is served; undefined: it is swallowed. */
  readonly request?: (frame: Frame, channel: Channel) => Frame | undefined;
  /** A reply or acknowledgement, in place of sending it. */
  readonly reply?: (frame: Frame, channel: Channel) => Promise<void>;
}

/** Around a back-end's channel: messages are tampered with on their way. */
export class PassingChannel implements Channel {
  readonly #channel: Channel;
  readonly #passing: Passing;

  constructor(channel: Channel, passing: Passing) {
    this.#channel = channel;
    this.#passing = passing;
  }

  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  async send(frame: Frame): Promise<void> {
    return this.#passing.reply?.(frame, this.#channel) ?? this.#channel.send(frame);
  }

  async sendBytes(bytes: Uint8Array, fds: readonly OwnedFd[]): Promise<void> {
    return this.#channel.sendBytes(bytes, fds);
  }

  onFrame(handler: FrameHandler): void {
    this.#channel.onFrame(async (frame) => {
      const passed = this.#passing.request ? this.#passing.request(frame, this) : frame;
      if (passed !== undefined) await handler(passed);
    });
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }
}
