import { addon } from "./addon.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check, Errno, systemError } from "./system-error.ts";

/**
 * A counter to signal through: a kick or a call. A peer's may be a pipe instead.
 *
 * The open file is shared with the peer, and so is its mode, which is never changed here: the peer
 * may read its end in blocking mode. Neither a drain nor a signal depends on it. A drain does not
 * wait; a signal waits for less than a millisecond, and only for a peer that fills the counter
 * within the moment of the call (11 ms if the peer changes the mode in that moment too).
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

  /** Takes over a descriptor; its mode stays as it is. */
  static adopt(fd: OwnedFd): EventFd {
    return new EventFd(fd);
  }

  /** @throws SystemError `EINVAL`, `EBADF`, `EPIPE`: not something that can be signalled */
  signal(): void {
    expectSignalled(addon().eventfdWrite(this.descriptor.fd));
  }

  /**
   * As {@link signal}, in two thirds of the time: without the look at the mode. For a descriptor
   * that {@link create} made; a peer that makes it blocking and keeps the counter full has each
   * signal wait for up to a millisecond, and the first for 11.
   *
   * @throws SystemError as {@link signal}
   */
  signalOwn(): void {
    expectSignalled(addon().eventfdWriteOwn(this.descriptor.fd));
  }

  /**
   * Takes the signal away; was there one? A pipe may hold more: it stays readable then.
   *
   * @throws SystemError `EPIPE` at the end of a pipe, which would be readable for ever: stop
   *   polling it; other codes for what cannot be read
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
  // EAGAIN: the counter is full.
  if (result < 0 && result !== -Errno.EAGAIN) throw systemError(result, "write");
}
