import { constants } from "node:fs";
import { type OwnedFd, setNonBlocking, statusFlags } from "../../../core/os/index.ts";

interface SharedFile {
  readonly name: string;
  readonly fd: OwnedFd;
  readonly flags: number;
}

/**
 * Open files that both sides of a connection have descriptors of. Their status flags are shared too:
 * a side that changes them changes how the other side reads and writes.
 */
export class SharedFiles {
  readonly #files: SharedFile[] = [];

  /**
   * Watches an open file from now on.
   *
   * @param fd borrowed
   * @param nonBlocking the mode that the file gets first; default: the mode that it has
   */
  watch(name: string, fd: OwnedFd, nonBlocking?: boolean): void {
    if (nonBlocking !== undefined) setNonBlocking(fd.fd, nonBlocking);
    this.#files.push({ name, fd: fd.duplicate(), flags: statusFlags(fd.fd) });
  }

  /** Number of watched files. */
  get count(): number {
    return this.#files.length;
  }

  /** Returns each file whose status flags were changed, with the change. */
  get changed(): string[] {
    return this.#files.flatMap(({ name, fd, flags }) => {
      const now = statusFlags(fd.fd);
      if (now === flags) return [];
      const change =
        (now ^ flags) === constants.O_NONBLOCK ? nonBlockingChange(now) : other(flags, now);
      return [`${name}: ${change}`];
    });
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    for (const { fd } of this.#files.splice(0)) fd.close();
  }
}

function nonBlockingChange(now: number): string {
  return `O_NONBLOCK was ${(now & constants.O_NONBLOCK) === 0 ? "cleared" : "set"}`;
}

function other(before: number, now: number): string {
  return `status flags 0${before.toString(8)} became 0${now.toString(8)}`;
}
