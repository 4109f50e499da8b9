import { EventFd, Poller } from "../../core/os/index.ts";

/**
 * An event descriptor of our own whose signals go to the front-end as messages (in-band
 * notifications). Signals that come while a message waits for its answer make one more message.
 */
export class MessageEvent {
  /** The event to signal, from any thread. Its owner closes it. */
  readonly event: EventFd;
  readonly #ours: EventFd;
  readonly #poller: Poller;
  readonly #send: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #closed = false;

  /** @param failed a message could not be sent, or was refused: it was the last one */
  constructor(send: () => Promise<void>, failed: (error: unknown) => void) {
    this.#send = send;
    this.#failed = failed;
    this.#ours = EventFd.create();
    try {
      this.event = EventFd.adopt(this.#ours.descriptor.duplicate());
    } catch (error) {
      this.#ours.close();
      throw error;
    }
    this.#poller = new Poller(this.#ours.descriptor.fd, { readable: true }, () => {
      void this.#forward();
    });
  }

  /** Sends what was signalled and not sent yet, without waiting for an answer; then ends. */
  flush(): void {
    if (!this.#closed && this.#ours.drain()) void this.#sendOne();
    this.close();
  }

  close(): void {
    this.#closed = true;
    this.#poller.close();
    this.#ours.close();
  }

  async #forward(): Promise<void> {
    this.#ours.drain();
    this.#poller.update({});
    await this.#sendOne();
    if (!this.#closed) this.#poller.update({ readable: true });
  }

  async #sendOne(): Promise<void> {
    try {
      await this.#send();
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#failed(error);
    }
  }
}
