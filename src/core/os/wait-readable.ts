import { addon } from "./addon.ts";
import { check } from "./system-error.ts";

/**
 * Blocks this thread until a descriptor is readable; for workers. `ready[i]` becomes 1 or 0 for
 * `fds[i]`; negative entries of `fds` are skipped. The end of a stream and errors count as
 * readable. Returns how many are ready: 0 after the time-out.
 *
 * Nothing can interrupt it, not even `Worker.terminate()`: include an event descriptor to end it.
 *
 * @param timeoutUs microseconds; 0 looks only, negative waits for ever
 * @throws SystemError `EBADF` when a descriptor is not open
 * @throws TypeError when `ready` is shorter than `fds`
 */
export function waitReadable(fds: Int32Array, ready: Int32Array, timeoutUs: number): number {
  return check(addon().waitReadable(fds, fds.length, ready, timeoutUs), "ppoll");
}
