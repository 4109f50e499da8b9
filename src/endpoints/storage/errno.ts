import { constants } from "node:os";

/** Returns the errno of an error of Node's; EIO if it has none. */
export function errnoOf(error: unknown): number {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? constants.errno.EIO : Math.abs(errno);
}
