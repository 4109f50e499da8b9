import { addon } from "./addon.ts";
import type { Mapping } from "./mapping.ts";
import { OwnedFd } from "./owned-fd.ts";
import { check } from "./system-error.ts";

/**
 * Memory whose pages arrive when they are touched (userfaultfd(2)): whoever holds the descriptor is
 * told of each access, and the thread that touched waits for the page, in the kernel as well.
 */
export class Userfault {
  readonly descriptor: OwnedFd;

  private constructor(descriptor: OwnedFd) {
    this.descriptor = descriptor;
  }

  /** @throws SystemError `EPERM` without CAP_SYS_PTRACE, `ENOSYS` */
  static open(): Userfault {
    return new Userfault(new OwnedFd(check(addon().userfaultfd(), "userfaultfd")));
  }

  /** @throws SystemError e.g. `EINVAL` for files that are not shared memory */
  register(mapping: Mapping): void {
    check(addon().userfaultRegister(this.descriptor.fd, mapping.handle), "UFFDIO_REGISTER");
  }

  /** No thread waits for a page any more. Idempotent. */
  close(): void {
    this.descriptor.close();
  }
}
