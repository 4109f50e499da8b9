import { constants } from "node:fs";
import { endianness } from "node:os";
import { addon } from "./addon.ts";
import { setNonBlocking, statusFlags } from "./open-file.ts";
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

  /**
   * Creates an event descriptor that is not signalled.
   *
   * @throws SystemError e.g. `EMFILE`
   */
  static create(): EventFd {
    return new EventFd(new OwnedFd(check(addon().eventfd(0), "eventfd")));
  }

  /**
   * Creates an event descriptor in the mode of another one, blocking or not.
   *
   * @throws SystemError e.g. `EMFILE`
   */
  static like({ descriptor }: EventFd): EventFd {
    const made = EventFd.create();
    try {
      const isBlocking = (statusFlags(descriptor.fd) & constants.O_NONBLOCK) === 0;
      if (isBlocking) setNonBlocking(made.descriptor.fd, false);
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  /** Takes over a descriptor, whose mode does not change. */
  static adopt(fd: OwnedFd): EventFd {
    return new EventFd(fd);
  }

  /**
   * Signals the other side.
   *
   * @throws SystemError `EINVAL`, `EBADF`, `EPIPE`: the descriptor cannot be signalled
   */
  signal(): void {
    expectSignalled(addon().eventfdWrite(this.descriptor.fd));
  }

  /**
   * Signals without checking the mode, in two thirds of the time of {@link signal}. It is for
   * descriptors of {@link create}: if a peer makes one blocking and keeps the counter full, each
   * signal waits for up to a millisecond, and the first for 11.
   *
   * @throws SystemError `EINVAL`, `EBADF`, `EPIPE`: the descriptor cannot be signalled
   */
  signalOwn(): void {
    expectSignalled(addon().eventfdWriteOwn(this.descriptor.fd));
  }

  /**
   * Clears the signal and returns whether there was one. A pipe may hold more: it stays readable
   * then.
   *
   * @throws SystemError `EPIPE` at the end of a pipe, which would be readable for ever: stop
   *   polling it; other codes for what cannot be read
   */
  drain(): boolean {
    return check(addon().eventfdRead(this.descriptor.fd), "read") === 1;
  }

  /**
   * Clears the signal and returns the counter: 0 if there was none, else the number of signals that
   * the kernel has merged.
   *
   * @throws SystemError the descriptor cannot be read
   */
  take(): number {
    const word = new Uint8Array(8);
    const count = addon().readAvailable(this.descriptor.fd, word, 0, 8);
    if (count === -Errno.EAGAIN) return 0;
    check(count, "read");
    return Number(new DataView(word.buffer).getBigUint64(0, endianness() === "LE"));
  }

  /** Releases everything that this object owns. Idempotent. */
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
