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

/** Milliseconds that the front-end may take to answer. */
const TIMEOUT_MS = 5000;

export interface BackendRequestsOptions {
  readonly negotiation: Negotiation;
  readonly observe: FrameObserver | undefined;
  /**
   * Returns whether all rings are stopped: a suspended device sends nothing ("Suspended device
   * state").
   */
  readonly suspended: () => boolean;
}

/** Part of a file that is a ring's doorbell. */
export interface NotifierArea {
  readonly fd: OwnedFd;
  /** Size in bytes; QEMU accepts exactly one page of its host. */
  readonly size: bigint;
  /** Byte offset in the file. */
  readonly offset: bigint;
}

interface Link {
  readonly channel: UnixChannel;
  readonly caller: Caller;
}

/**
 * The requests of a back-end as methods, on the channel of SET_BACKEND_REQ_FD. Each resolves once
 * the reply that is due has arrived; descriptors are borrowed. Do not await one while serving a
 * request of the front-end: the front-end may wait for its reply before it reads this channel.
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

  /** Returns whether the front-end has opened a channel that is still open. */
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

  /** Sends any request, with its own types. Descriptors of the reply are closed. */
  async call<R extends BackendRequest>(
    request: R,
    payload: BackendPayloadOf<R>,
    options?: CallOptions,
  ): Promise<BackendReplyOf<R>> {
    const { value, fds } = await this.#send(request, payload, options);
    for (const fd of fds) fd.close();
    return value as BackendReplyOf<R>;
  }

  /** Reports that a translation is missing, or an access was forbidden (BACKEND_IOTLB_MSG). */
  async iotlbMsg(message: Iotlb, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.IotlbMsg, message, o);
  }

  /** Reports that the configuration space has changed (BACKEND_CONFIG_CHANGE_MSG). */
  async configChange(o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.ConfigChangeMsg, undefined, o);
  }

  /**
   * Sets the area by which the driver kicks ring `index` (BACKEND_VRING_HOST_NOTIFIER_MSG). Without
   * an area the driver uses the kick descriptor again.
   */
  async hostNotifier(index: number, area?: NotifierArea, o?: CallOptions): Promise<void> {
    const { size = 0n, offset = 0n } = area ?? {};
    const payload = { index, noFd: area === undefined, size, offset };
    const fds = area === undefined ? [] : [area.fd];
    return this.call(BackendRequest.VringHostNotifierMsg, payload, { ...o, fds });
  }

  /** Reports that buffers of a ring were used (BACKEND_VRING_CALL). */
  async vringCall(index: number, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.VringCall, { index, num: 0 }, o);
  }

  /** Reports that a ring is broken (BACKEND_VRING_ERR). */
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
   * Asks for a shared object (BACKEND_SHARED_OBJECT_LOOKUP), which the caller closes; undefined if
   * it is unknown.
   */
  async sharedObjectLookup(uuid: Uint8Array, o?: CallOptions): Promise<OwnedFd | undefined> {
    const { value, fds } = await this.#send(BackendRequest.SharedObjectLookup, { uuid }, o);
    const [fd, ...surplus] = fds;
    for (const extra of surplus) extra.close();
    if (value === 0n) return fd;
    fd?.close();
    return undefined;
  }

  /** Maps a range of `fd` into a shared memory region (BACKEND_SHMEM_MAP). */
  async shmemMap(mapping: MMap, fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(BackendRequest.ShmemMap, mapping, { ...o, fds: [fd] });
  }

  /** Removes one earlier mapping as a whole (BACKEND_SHMEM_UNMAP). */
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
