import { addon } from "./addon.ts";
import type { Mapping } from "./mapping.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check } from "./system-error.ts";

/**
 * Memory whose pages arrive when they are touched (userfaultfd(2)): the process that holds the
 * descriptor is notified of each access, and the accessing thread waits for the page, also inside a
 * system call.
 */
export class Userfault {
  readonly descriptor: OwnedFd;

  private constructor(descriptor: OwnedFd) {
    this.descriptor = descriptor;
  }

  /**
   * Opens a userfault descriptor.
   *
   * @throws SystemError `EPERM` without CAP_SYS_PTRACE, `ENOSYS`
   */
  static open(): Userfault {
    return new Userfault(new OwnedFd(check(addon().userfaultfd(), "userfaultfd")));
  }

  /**
   * Registers the pages of a mapping.
   *
   * @throws SystemError e.g. `EINVAL` for files that are not shared memory
   */
  register(mapping: Mapping): void {
    check(addon().userfaultRegister(this.descriptor.fd, mapping.handle), "UFFDIO_REGISTER");
  }

  /** Closes the descriptor, which wakes all threads that wait for a page. Idempotent. */
  close(): void {
    this.descriptor.close();
  }
}
