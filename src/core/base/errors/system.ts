import { nameClasses } from "./vhost-user-error.ts";

/**
 * A system call failed. Same shape as Node's own errors.
 *
 * @example
 * ```ts
 * import { OwnedFd, SystemError } from "vhost-user";
 *
 * try {
 *   OwnedFd.duplicateOf(1 << 20);
 * } catch (error) {
 *   if (error instanceof SystemError) console.log(error.code, error.syscall); // EBADF
 * }
 * ```
 */
export class SystemError extends Error {
  /** `ECONNREFUSED` and so on. */
  readonly code: string;
  /** Negative, as in Node's own errors. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(code: string, errno: number, syscall: string, description: string, path?: string) {
    super(`${syscall}: ${description} (${code})${path === undefined ? "" : `: ${path}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

nameClasses(SystemError);
