import { EventFd, type OwnedFd, Poller } from "../../core/os/index.ts";

/**
 * Takes the signals of one event descriptor and hands them on to another. Neither's mode is changed,
 * and both stay open files of their peers: what was not taken stays in them.
 */
export class EventRelay {
  readonly #from: EventFd;
  readonly #to: EventFd;
  readonly #onSignal: (signals: number) => void;
  readonly #poller: Poller;
  #isPaused = false;
  #isClosed = false;

  /**
   * @param from, to taken over; `from` must be an eventfd
   * @param onSignal gets the signals that were taken, and calls {@link pass} to hand them on
   * @throws SystemError no descriptor is free; `from` and `to` are closed
   */
  constructor(from: EventFd, to: EventFd, onSignal: (signals: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#onSignal = onSignal;
    try {
      this.#poller = new Poller(from.descriptor.fd, { readable: true }, () => this.flush());
    } catch (error) {
      for (const each of [from, to]) each.close();
      throw error;
    }
    // A session keeps the process alive, not its events.
    this.#poller.unref();
  }

  /** Duplicates the descriptor to which signals are handed on. */
  receiver(): OwnedFd {
    return this.#to.descriptor.duplicate();
  }

  /** Duplicates the descriptor from which signals are taken. */
  sender(): OwnedFd {
    return this.#from.descriptor.duplicate();
  }

  /** Takes what waits now, before anything else is passed on. */
  flush(): void {
    if (this.#isClosed || this.#isPaused) return;
    let signals: number;
    try {
      signals = this.#from.take();
    } catch {
      // It cannot be read, and never will: polling it would not end.
      return this.close();
    }
    if (signals > 0) this.#onSignal(signals);
  }

  /** Hands a signal on: any number of them is one for the receiver, as when the kernel merges them. */
  pass(): void {
    if (!this.#isClosed) signal(this.#to);
  }

  /**
   * Takes no more signals, and returns what the receiver has not read: the sender's program may read
   * its descriptor itself from now on. Idempotent.
   */
  pause(): void {
    if (this.#isClosed || this.#isPaused) return;
    this.#isPaused = true;
    this.#poller.update({});
    try {
      if (this.#to.take() > 0) signal(this.#from);
    } catch {
      // What cannot be read holds no signal.
    }
  }

  /** Takes signals again. */
  resume(): void {
    if (this.#isClosed || !this.#isPaused) return;
    this.#isPaused = false;
    this.#poller.update({ readable: true });
  }

  /** Releases both descriptors; what waits in them stays there. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poller.close();
    for (const each of [this.#from, this.#to]) each.close();
  }
}

function signal(event: EventFd): void {
  try {
    event.signal();
  } catch {
    // It is not an eventfd that takes signals: the peer would not have got this one either.
  }
}
