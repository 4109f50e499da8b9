import { getSystemErrorMap } from "node:util";
import { SystemError } from "../base/index.ts";

/**
 * The values of `errno.h` that this package handles. The numbers are the same on every Linux
 * architecture that Node supports (`ETOOMANYREFS`, 109, is missing in `os.constants`).
 */
export const Errno = {
  EPERM: 1,
  EINTR: 4,
  EAGAIN: 11,
  EBUSY: 16,
  EINVAL: 22,
  EPIPE: 32,
  ENOSYS: 38,
  ETIME: 62,
  EBADMSG: 74,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ETOOMANYREFS: 109,
} as const;

/** Errors without a name in libuv; all other names come from `util.getSystemErrorMap`. */
const unknownToLibuv = new Map<number, [string, string]>([
  [74, ["EBADMSG", "bad message"]],
  [109, ["ETOOMANYREFS", "too many descriptors in flight"]],
]);

/** Makes the error for a system call that returned `-errno`. */
export function systemError(result: number, syscall: string, path?: string): SystemError {
  const [code, description] = getSystemErrorMap().get(result) ??
    unknownToLibuv.get(-result) ?? [`errno ${-result}`, "unknown error"];
  return new SystemError(code, result, syscall, description, path);
}

/**
 * Passes on the result of a system call.
 *
 * @throws SystemError when it is `-errno`
 */
export function check(result: number, syscall: string, path?: string): number {
  if (result < 0) throw systemError(result, syscall, path);
  return result;
}
