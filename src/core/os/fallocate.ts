import { addon } from "./addon.ts";
import { check, Errno } from "./system-error.ts";

/** `FALLOC_FL_*` of `fallocate(2)`; KEEP_SIZE is 1. */
const modes = {
  /** The range reads as zeroes and takes no room. */
  "punch-hole": 1 | 2,
  /** The range reads as zeroes and keeps its room, or gets some. */
  "zero-range": 1 | 16,
} as const;

export type FallocateMode = keyof typeof modes;

/**
 * Changes how a range of a file is stored; its size stays. Returns false where the file system
 * cannot.
 *
 * @param position bytes from the start of the file
 * @param length bytes; 0 does nothing
 * @throws SystemError e.g. `EIO`, `EPERM` (sealed), `EBADF` (not open for writing)
 */
export function fallocate(
  fd: number,
  mode: FallocateMode,
  position: number,
  length: number,
): boolean {
  if (length === 0) return true;
  const result = addon().fallocate(fd, modes[mode], position, length);
  if (result === -Errno.EOPNOTSUPP || result === -Errno.ENOSYS) return false;
  return check(result, "fallocate") === 0;
}
