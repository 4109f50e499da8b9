import { fstatSync, writeSync } from "node:fs";
import { MemoryAccessError } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import { BackendRequest } from "../../core/protocol/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";

interface Doorbell {
  readonly fd: OwnedFd;
  readonly position: number;
}

/**
 * The doorbells of a back-end's rings (VRING_HOST_NOTIFIER_MSG): a kick writes the ring's index
 * there. Pass it to a client as `hostNotifiers`.
 */
export class HostNotifiers {
  readonly #doorbells = new Map<number, Doorbell>();

  readonly handlers: BackendRequestHandlers = {
    [BackendRequest.VringHostNotifierMsg]: ({ index, size, offset, noFd }, { fds }) => {
      if (noFd) return this.#remove(index);
      const file = fds[0] && fstatSync(fds[0].fd);
      if (!file?.isFile() || size < 2n || offset + size > BigInt(file.size)) {
        throw new MemoryAccessError(
          `VRING_HOST_NOTIFIER_MSG: expected 2 bytes or more inside a file, ` +
            `got ${size} at ${offset} of ${file?.size ?? 0}`,
        );
      }
      this.#remove(index);
      const fd = fds.shift();
      if (fd) this.#doorbells.set(index, { fd, position: Number(offset) });
    },
  };

  has(index: number): boolean {
    return this.#doorbells.has(index);
  }

  /** Writes the ring's index to its doorbell. Returns false if there is none that takes it. */
  ring(index: number): boolean {
    const doorbell = this.#doorbells.get(index);
    if (doorbell === undefined) return false;
    try {
      writeSync(doorbell.fd.fd, Uint8Array.of(index, 0), 0, 2, doorbell.position);
      return true;
    } catch {
      this.#remove(index);
      return false;
    }
  }

  /** The session is over. Idempotent. */
  close(): void {
    for (const index of this.#doorbells.keys()) this.#remove(index);
  }

  #remove(index: number): void {
    this.#doorbells.get(index)?.fd.close();
    this.#doorbells.delete(index);
  }
}
