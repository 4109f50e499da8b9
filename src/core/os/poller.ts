import { StateError } from "../base/index.ts";
import { addon, type PollerHandle } from "./addon.ts";
import { check, systemError } from "./system-error.ts";

/** The conditions to report. Without any the poller pauses. */
export interface PollEvents {
  readonly readable?: boolean | undefined;
  readonly writable?: boolean | undefined;
}

const READABLE = 1;
const WRITABLE = 2;

function toMask(events: PollEvents): number {
  return (events.readable ? READABLE : 0) | (events.writable ? WRITABLE : 0);
}

/**
 * Reports, from the event loop, that a descriptor is ready, repeatedly until it is not. The end
 * of a stream and errors count as ready: the next read or write reports them. Keeps the process
 * alive until closed or {@link unref}ed.
 *
 * Close it before the descriptor: it holds a number of its own for the same open file. Regular files
 * cannot be polled, and epoll descriptors are refused (`EPERM`). The open file, which a peer may
 * share, keeps its mode, so what follows must not block on a descriptor in blocking mode.
 */
export class Poller {
  readonly #onReady: (readable: boolean, writable: boolean) => void;
  #handle: PollerHandle | undefined;
  #mask: number;

  /**
   * @param onReady an exception in it is an `uncaughtException`
   * @throws SystemError `EPERM`, `EBADF`, `EMFILE`
   */
  constructor(
    fd: number,
    events: PollEvents,
    onReady: (readable: boolean, writable: boolean) => void,
  ) {
    this.#onReady = onReady;
    this.#mask = toMask(events);
    const result = addon().pollerStart(fd, this.#mask, (ready) => this.#ready(ready));
    if (typeof result === "number") throw systemError(result, "epoll_ctl");
    this.#handle = result;
  }

  #ready(events: number): void {
    // libuv stops polling, with a status instead of events, when epoll reports an error condition,
    // e.g. a peer that closed with bytes unread. What came before it is still to be received.
    const failed = events < 0;
    const ready = failed ? this.#mask : events;
    if (failed && this.#handle) check(addon().pollerUpdate(this.#handle, this.#mask), "epoll_ctl");
    this.#onReady((ready & READABLE) !== 0, (ready & WRITABLE) !== 0);
  }

  /**
   * Changes the conditions.
   *
   * @throws StateError once closed; SystemError `EBADF`
   */
  update(events: PollEvents): void {
    if (!this.#handle) throw new StateError("this poller was closed");
    const mask = toMask(events);
    if (mask === this.#mask) return;
    check(addon().pollerUpdate(this.#handle, mask), "epoll_ctl");
    this.#mask = mask;
  }

  /** Keeps the process alive (the default). */
  ref(): void {
    if (this.#handle) addon().pollerRef(this.#handle);
  }

  /** Lets the process end although this poller is open. */
  unref(): void {
    if (this.#handle) addon().pollerUnref(this.#handle);
  }

  /** Stops polling: the callback does not run again. Idempotent. */
  close(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle) addon().pollerStop(handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
