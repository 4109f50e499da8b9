import { StateError } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import { BackendRequest, formatUuid, type SharedObject } from "../../core/protocol/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";

/** Objects that one back-end may announce. */
const MAX_OBJECTS = 1024;

/** The owner of an object, for example a client's requests. */
export interface ObjectExporter {
  getSharedObject(object: SharedObject): Promise<OwnedFd | undefined>;
}

/**
 * The registry of objects (dma-bufs) that back-ends share by UUID: one back-end announces an
 * object, another asks the front-end for it, and the front-end fetches it from the first. One
 * registry serves all clients of a program; pass {@link handlersFor} to each as `backendRequests`.
 *
 * @see "Sharing objects" and the SHARED_OBJECT requests in the vhost-user specification
 */
export class SharedObjects {
  readonly #exporters = new Map<string, ObjectExporter>();

  /** Number of announced objects. */
  get size(): number {
    return this.#exporters.size;
  }

  /** @param exporter the back-end that these handlers are for; asked for objects it announced */
  handlersFor(exporter: () => ObjectExporter): BackendRequestHandlers {
    return {
      [BackendRequest.SharedObjectAdd]: ({ uuid }) => this.#add(uuid, exporter()),
      [BackendRequest.SharedObjectRemove]: ({ uuid }) => this.#remove(uuid, exporter()),
      [BackendRequest.SharedObjectLookup]: async ({ uuid }, { replyFds }) => {
        const fd = await this.#exporters.get(formatUuid(uuid))?.getSharedObject({ uuid });
        if (fd === undefined) return 1n;
        replyFds.push(fd);
        return 0n;
      },
    };
  }

  /** The exporter's session is over, and its objects with it. */
  forget(exporter: ObjectExporter): void {
    for (const [uuid, owner] of this.#exporters) {
      if (owner === exporter) this.#exporters.delete(uuid);
    }
  }

  #add(uuid: Uint8Array, exporter: ObjectExporter): void {
    const text = formatUuid(uuid);
    if (this.#exporters.has(text)) throw new StateError(`object ${text} was announced already`);
    const own = [...this.#exporters.values()].filter((owner) => owner === exporter).length;
    if (own >= MAX_OBJECTS) {
      throw new StateError(`the limit of ${MAX_OBJECTS} objects of one back-end is reached`);
    }
    this.#exporters.set(text, exporter);
  }

  #remove(uuid: Uint8Array, exporter: ObjectExporter): void {
    const text = formatUuid(uuid);
    if (this.#exporters.get(text) !== exporter) {
      throw new StateError(`object ${text} was not announced by this back-end`);
    }
    this.#exporters.delete(text);
  }
}
