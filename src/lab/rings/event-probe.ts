import { readFileSync } from "node:fs";
import type { OwnedFd } from "../../core/os/index.ts";

/** Shows whether an event descriptor is signalled, without taking the signal. */
export class EventProbe {
  readonly #fd: OwnedFd;

  /** @param fd taken over */
  constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /** Returns the counter; undefined for what is not an eventfd. */
  count(): number | undefined {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${this.#fd.fd}`, "utf8");
      const [, count] = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(text) ?? [];
      return count === undefined ? undefined : Number.parseInt(count, 16);
    } catch {
      return undefined;
    }
  }

  /** Releases the descriptor. Idempotent. */
  close(): void {
    this.#fd.close();
  }
}
