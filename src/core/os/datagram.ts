import { UsageError } from "../base/index.ts";
import { addon } from "./addon.ts";
import { check } from "./system-error.ts";

/** Bytes of `sun_path`. */
const ADDRESS_BYTES = 108;

/**
 * Sends one datagram to a UNIX socket, without blocking.
 *
 * @param address an absolute path; with `@` in front: an abstract address
 * @throws UsageError for another form of address, or one that is too long
 * @throws SystemError e.g. `ENOENT`, `ECONNREFUSED`, `EAGAIN` (the receiver's queue is full)
 */
export function sendDatagram(address: string, bytes: Uint8Array): void {
  const isAbstract = address.startsWith("@");
  // A path ends with a NUL of its own.
  const path = Buffer.from(isAbstract ? `\0${address.slice(1)}` : `${address}\0`);
  const isForm = isAbstract ? address.length > 1 : /^\/[^\0]*$/.test(address);
  if (!isForm || path.length > ADDRESS_BYTES) {
    throw new UsageError(
      `"${address}" is not the address of a UNIX socket: an absolute path, or @ and a name, of at most ` +
        `${ADDRESS_BYTES - 1} bytes`,
    );
  }
  const sent = addon().sendDatagram(path, 0, path.length, bytes, 0, bytes.length);
  check(sent, "sendto", address);
}
