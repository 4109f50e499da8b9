import { constants } from "node:fs";
import { addon } from "./addon.ts";
import { check } from "./system-error.ts";

/**
 * Returns the status flags of an open file, such as O_NONBLOCK and O_APPEND, with its access mode.
 * Every descriptor of the open file shares them, also those of other processes.
 *
 * @throws SystemError `EBADF`
 */
export function statusFlags(fd: number): number {
  return check(addon().getStatusFlags(fd), "fcntl");
}

/**
 * Sets or clears O_NONBLOCK of an open file that no peer has yet: a peer may read or write it in the
 * mode that it had.
 *
 * @throws SystemError `EBADF`
 */
export function setNonBlocking(fd: number, on: boolean): void {
  const flags = statusFlags(fd) & ~constants.O_NONBLOCK;
  check(addon().setStatusFlags(fd, on ? flags | constants.O_NONBLOCK : flags), "fcntl");
}
