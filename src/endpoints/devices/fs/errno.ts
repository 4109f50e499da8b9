import { constants } from "node:os";

/**
 * Error numbers that the device answers with. They are those of Linux on the architectures that
 * Node supports, which is what FUSE carries.
 */
export const Errno = {
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EACCES: 13,
  EFAULT: 14,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EROFS: 30,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  EPROTO: 71,
  ESTALE: 116,
} as const;

let names: ReadonlyMap<number, string> | undefined;

/** Returns the name of an error number: `ENOENT` for 2, `errno 4000` for one without a name. */
export function errnoName(errno: number): string {
  names ??= new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
  return names.get(errno) ?? `errno ${errno}`;
}

/** `-errno` of a failed system call; `-EIO` for any other error. */
export function errnoOf(error: unknown): number {
  const errno = error instanceof Error && "errno" in error ? Number(error.errno) : 0;
  return errno < 0 ? errno : -Errno.EIO;
}
