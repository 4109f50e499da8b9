import { Deferred } from "../../core/base/index.ts";
import { HeaderFlag } from "../../core/protocol/header.ts";
import type { Channel, CloseReason, Frame, FrameHandler } from "../../core/transport/index.ts";

/**
 * A channel whose first message may come before anybody knows what to do with it: it is kept, and
 * nothing more is read, until a handler is there.
 */
export class PeekChannel implements Channel {
  /** The peer has sent a request, so it plays the front-end. */
  sawRequest = false;
  readonly #inner: Channel;
  readonly #first = new Deferred<void>();
  readonly #handler = new Deferred<FrameHandler>();

  constructor(inner: Channel) {
    this.#inner = inner;
    inner.onFrame(async (frame) => {
      this.sawRequest ||= (frame.header.flags & HeaderFlag.Reply) === 0;
      this.#first.resolve();
      const handler = await this.#handler.promise;
      await handler(frame);
    });
    void inner.closed.then(() => {
      this.#first.resolve();
      this.#handler.resolve(() => undefined);
    });
  }

  /** Resolves with the first message, or when there will be none. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  get closed(): Promise<CloseReason> {
    return this.#inner.closed;
  }

  onFrame(handler: FrameHandler): void {
    this.#handler.resolve(handler);
  }

  async send(frame: Frame): Promise<void> {
    return this.#inner.send(frame);
  }

  async sendBytes(bytes: Uint8Array, fds: Frame["fds"]): Promise<void> {
    return this.#inner.sendBytes(bytes, fds);
  }

  close(reason?: Error): void {
    this.#inner.close(reason);
  }
}
