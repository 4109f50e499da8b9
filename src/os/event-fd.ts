import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno, systemError } from "./system-error.ts";

/**
 * A counter to signal through: a kick or a call. A peer's may be a pipe instead.
 *
 * The open file is shared with the peer, and so is its non-blocking mode. Draining does not depend
 * on it; a signal sets it again before it writes, and only a peer that clears it within that moment,
 * and keeps the counter full, makes it block.
 */
export class EventFd {
  readonly descriptor: OwnedFd;

  private constructor(descriptor: OwnedFd) {
    this.descriptor = descriptor;
  }

  /** Not signalled. @throws SystemError e.g. `EMFILE` */
  static create(): EventFd {
    return new EventFd(new OwnedFd(check(addon().eventfd(0), "eventfd")));
  }

  /** Takes over a descriptor and makes it non-blocking. On failure it is still the caller's. */
  static adopt(fd: OwnedFd): EventFd {
    check(addon().setNonBlocking(fd.fd), "fcntl");
    return new EventFd(fd);
  }

  /** @throws SystemError `EINVAL`, `EBADF`, `EPIPE`: not something that can be signalled */
  signal(): void {
    expectSignalled(addon().eventfdWrite(this.descriptor.fd));
  }

  /**
   * As {@link signal}, in two thirds of the time: the mode is not set again. A peer that made the
   * open file blocking, and fills the counter, stops this thread until another one calls
   * {@link free}: for threads that somebody watches.
   *
   * @throws SystemError as {@link signal}
   */
  signalWatched(): void {
    expectSignalled(addon().eventfdWriteWatched(this.descriptor.fd));
  }

  /** Lets go who is blocked in {@link signalWatched}; the signal stays. @throws SystemError */
  free(): void {
    addon().eventfdRead(this.descriptor.fd);
    this.signal();
  }

  /**
   * Takes the signal away; was there one? A pipe may hold more: it stays readable then.
   *
   * @throws SystemError `EPIPE` at the end of a pipe, which would be readable for ever: stop
   *   polling it; others for what cannot be read
   */
  drain(): boolean {
    return check(addon().eventfdRead(this.descriptor.fd), "read") === 1;
  }

  /** Idempotent. */
  close(): void {
    this.descriptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function expectSignalled(result: number): void {
  // EAGAIN: signalled so often already that the counter is full.
  if (result < 0 && result !== -Errno.EAGAIN) throw systemError(result, "write");
}
