import { StateError, UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { check } from "./system-error.ts";

/**
 * One file descriptor with exactly one owner, who closes it. Not closed by garbage collection, nor
 * by the end of a worker.
 *
 * A descriptor from `node:fs` stays with `node:fs`: in a worker Node keeps a list of those and
 * would close the number again at the worker's end, when it may belong to another object. To own such a
 * file here, duplicate it and close the original there.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { OwnedFd } from "vhost-user";
 *
 * const file = openSync("hello.txt", "r");
 * using owned = OwnedFd.duplicateOf(file);
 * closeSync(file);
 * console.log(owned.fd);
 * ```
 */
export class OwnedFd {
  #fd: number;

  /** @throws UsageError for what cannot be a descriptor */
  constructor(fd: number) {
    if (!Number.isInteger(fd) || fd < 0) {
      throw new UsageError(`a file descriptor must be a whole number from 0, not ${fd}`);
    }
    this.#fd = fd;
  }

  /**
   * The number.
   *
   * @throws StateError once closed or released
   */
  get fd(): number {
    if (this.#fd < 0) throw new StateError("this file descriptor was closed or handed on");
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /**
   * Closes the descriptor. Idempotent.
   *
   * @throws SystemError `EBADF` when other code closed the number, which is a bug worth seeing
   */
  close(): void {
    if (this.#fd < 0) return;
    check(addon().close(this.release()), "close");
  }

  /**
   * Passes the number to the caller, who closes it.
   *
   * @throws StateError once closed or released
   */
  release(): number {
    const fd = this.fd;
    this.#fd = -1;
    return fd;
  }

  /**
   * Duplicates the descriptor.
   *
   * @throws SystemError e.g. `EMFILE`
   */
  duplicate(): OwnedFd {
    return OwnedFd.duplicateOf(this.fd);
  }

  /**
   * Duplicates a descriptor of another owner.
   *
   * @throws SystemError
   */
  static duplicateOf(fd: number): OwnedFd {
    return new OwnedFd(check(addon().dup(fd), "fcntl"));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
