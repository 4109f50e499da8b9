import { StateError } from "../../core/base/index.ts";
import { type OwnedFd, UnixSocket } from "../../core/os/index.ts";
import {
  type BackendPayloadOf,
  type BackendReplyOf,
  BackendRequest,
  type Iotlb,
  type MMap,
  requestSpec,
} from "../../core/protocol/index.ts";
import { Caller, type CallOptions, type Negotiation } from "../../core/session/index.ts";
import { type FrameObserver, UnixChannel } from "../../core/transport/index.ts";

/** How long the front-end may take to answer, milliseconds. */
const TIMEOUT_MS = 5000;

export interface BackendRequestsOptions {
  readonly negotiation: Negotiation;
  readonly observe: FrameObserver | undefined;
  /** Whether all rings are stopped: a suspended device sends nothing ("Suspended device state"). */
  readonly suspended: () => boolean;
}

/** Part of a file that is a ring's doorbell. */
export interface NotifierArea {
  readonly fd: OwnedFd;
  /** Bytes; QEMU takes one page of its host only. */
  readonly size: bigint;
  /** Bytes from the file's beginning. */
  readonly offset: bigint;
}

interface Link {
  readonly channel: UnixChannel;
  readonly caller: Caller;
}

/**
 * The requests of a back-end as methods, on the channel that the front-end gave with
 * SET_BACKEND_REQ_FD. Each resolves once the answer that is due has come; descriptors are borrowed.
 * Not to be awaited while a request of the front-end is served: that one may wait for its answer
 * before it looks at this channel.
 *
 * @throws every method: {StateError} there is no channel, or all rings are stopped;
 *   {NegotiationError} a feature that the request needs was not negotiated; {RemoteError} the
 *   front-end refused; {TimeoutError | PeerClosedError}
 * @see "Back-end message types" in the vhost-user specification
 *
 * @example
 * ```ts
 * import type { DeviceSession } from "vhost-user";
 *
 * // Reports a new configuration to the front-end, where it asked for such reports.
 * async function report({ requests }: DeviceSession): Promise<void> {
 *   if (requests.open) await requests.configChange({ timeoutMs: 1000 });
 * }
 * ```
 */
export class BackendRequests {
  readonly #options: BackendRequestsOptions;
  #link: Link | undefined;

  constructor(options: BackendRequestsOptions) {
    this.#options = options;
  }

  /** Returns whether the front-end has given a channel that is still open. */
  get open(): boolean {
    return this.#link !== undefined;
  }

  /** Takes a socket, which replaces an earlier one. On failure it is closed. */
  adopt(fd: OwnedFd): void {
    const { negotiation, observe } = this.#options;
    let channel: UnixChannel;
    try {
      channel = new UnixChannel(UnixSocket.adopt(fd), { observe, direction: "back-end" });
    } catch (error) {
      fd.close();
      throw error;
    }
    this.close();
    const caller = new Caller(channel, {
      direction: "back-end",
      negotiation,
      strictness: "lenient",
      timeoutMs: TIMEOUT_MS,
    });
    const link = { channel, caller };
    this.#link = link;
    void channel.closed.then(() => {
      if (this.#link === link) this.#link = undefined;
    });
  }

  close(): void {
    this.#link?.channel.close();
    this.#link = undefined;
  }

  /** Any request, with the types that belong to it. Descriptors of the reply are closed. */
  async call<R extends BackendRequest>(
    request: R,
    payload: BackendPayloadOf<R>,
    options?: CallOptions,
  ): Promise<BackendReplyOf<R>> {
    const { value, fds } = await this.#send(request, payload, options);
    for (const fd of fds) fd.close();
    return value as BackendReplyOf<R>;
  }

  /** BACKEND_IOTLB_MSG: a translation is missing, or an access was forbidden. */
  async iotlbMsg(message: Iotlb, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.IotlbMsg, message, o);
  }

  /** BACKEND_CONFIG_CHANGE_MSG: the configuration space is to be read again. */
  async configChange(o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.ConfigChangeMsg, undefined, o);
  }

  /** BACKEND_VRING_HOST_NOTIFIER_MSG: where the driver kicks ring `index`; nothing: as before. */
  async hostNotifier(index: number, area?: NotifierArea, o?: CallOptions): Promise<void> {
    const { size = 0n, offset = 0n } = area ?? {};
    const payload = { index, noFd: area === undefined, size, offset };
    const fds = area === undefined ? [] : [area.fd];
    return this.call(BackendRequest.VringHostNotifierMsg, payload, { ...o, fds });
  }

  /** BACKEND_VRING_CALL: buffers of a ring were used. */
  async vringCall(index: number, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.VringCall, { index, num: 0 }, o);
  }

  /** BACKEND_VRING_ERR: a ring is broken. */
  async vringErr(index: number, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.VringErr, { index, num: 0 }, o);
  }

  /**
   * BACKEND_SHARED_OBJECT_ADD.
   *
   * @param uuid 16 bytes
   */
  async sharedObjectAdd(uuid: Uint8Array, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.SharedObjectAdd, { uuid }, o);
  }

  /**
   * BACKEND_SHARED_OBJECT_REMOVE.
   *
   * @param uuid 16 bytes
   */
  async sharedObjectRemove(uuid: Uint8Array, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.SharedObjectRemove, { uuid }, o);
  }

  /**
   * BACKEND_SHARED_OBJECT_LOOKUP: the object, which is the caller's to close; undefined if unknown.
   */
  async sharedObjectLookup(uuid: Uint8Array, o?: CallOptions): Promise<OwnedFd | undefined> {
    const { value, fds } = await this.#send(BackendRequest.SharedObjectLookup, { uuid }, o);
    const [fd, ...surplus] = fds;
    for (const extra of surplus) extra.close();
    if (value === 0n) return fd;
    fd?.close();
    return undefined;
  }

  /** BACKEND_SHMEM_MAP: a part of `fd` becomes part of a shared memory region. */
  async shmemMap(mapping: MMap, fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.ShmemMap, mapping, { ...o, fds: [fd] });
  }

  /** BACKEND_SHMEM_UNMAP: names one earlier mapping as a whole. */
  async shmemUnmap(mapping: MMap, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.ShmemUnmap, mapping, o);
  }

  async #send(request: BackendRequest, payload: unknown, options: CallOptions = {}) {
    const name = requestSpec("back-end", request)?.name ?? `${request}`;
    if (this.#link === undefined) {
      throw new StateError(
        `${name}: the front-end gave no channel (VHOST_USER_SET_BACKEND_REQ_FD)`,
      );
    }
    if (this.#options.suspended() && !options.unchecked) {
      throw new StateError(`${name}: nothing may be sent while all rings are stopped`);
    }
    return this.#link.caller.call(request, payload, options);
  }
}
