import type { OwnedFd } from "../../core/os/index.ts";
import type { CryptoSession } from "../../core/protocol/index.ts";
import type { WorkerPart } from "../../core/runtime/index.ts";
import type { BackendRequests } from "./backend-requests.ts";
import type { DeviceState } from "./device-state.ts";

/**
 * The abilities of a device beyond serving its rings. The presence of a capability decides which
 * protocol features the back-end offers; requests of an absent one are refused.
 *
 * Capabilities are plain objects, so that a decorator forwards them by spreading.
 *
 * @example
 * ```ts
 * const capabilities = { ...device.capabilities, draining: { quiesce: async () => undefined } };
 * ```
 */
export interface DeviceCapabilities {
  /** Configuration space. */
  readonly config?: DeviceConfig;
  /** Callbacks for the events of a session. */
  readonly lifecycle?: DeviceLifecycle;
  /** Decides which chains are served, and when. */
  readonly scheduling?: RingScheduling;
  /** For a device that completes requests outside of `process`. */
  readonly draining?: Draining;
  /** Lets a device leave requests in flight to a later instance. */
  readonly suspension?: Suspension;
  /** For a device whose rings can be served in workers. */
  readonly worker?: WorkerPlacement;
  /** The state that another instance needs when the session moves there. */
  readonly migration?: DeviceState;
  readonly network?: NetworkRequests;
  readonly crypto?: CryptoSessions;
  readonly gpu?: GpuRequests;
  /** Size of each shared memory region in bytes, by its id (GET_SHMEM_CONFIG). */
  readonly sharedMemory?: readonly bigint[];
  readonly sharedObjects?: ObjectSharing;
  /** True if the device has doorbells to share (VRING_HOST_NOTIFIER_MSG). */
  readonly hostNotifiers?: boolean;
}

/** Configuration space. */
export interface DeviceConfig {
  /** Size in bytes. */
  readonly size: number;
  /** Fills `out` from `offset` on. The range is inside the space. */
  read(offset: number, out: Uint8Array): void;
  /**
   * Writes the fields that are writable and changed. The range is inside the space.
   *
   * @param by `migration` may write every field
   * @returns false: a read-only field would change; nothing was written
   */
  write(offset: number, bytes: Uint8Array, by: "driver" | "migration"): boolean;
}

/** The session as its device uses it. */
export interface DeviceSession {
  /** Requests to the front-end. Do not await one while a request of the front-end is served. */
  readonly requests: BackendRequests;
  /**
   * The configuration space has changed by itself: notifies the front-end, see
   * `BackendSession.configChanged`. The session reports a failure.
   */
  configChanged(): void;
}

/** The stages of a session. */
export interface DeviceLifecycle {
  /** The session begins. */
  readonly attach?: (session: DeviceSession) => void;
  /** The front-end acknowledged features (SET_FEATURES); it may do so again while rings run. */
  readonly negotiated?: (features: bigint) => void;
  /** RESET_DEVICE, or device status 0: back to the initial state. */
  readonly reset?: () => void;
  /** The session has ended. */
  readonly close?: () => void;
}

/** Decides which chains of a ring are served, and when. */
export interface RingScheduling {
  /**
   * Returns whether chains of this ring are taken as they become available. Called after `process`.
   * If it returns false, they stay in the ring, without kicks, until `RunningQueue.wake`. Default
   * true.
   */
  readonly wantsChains?: (index: number) => boolean;
  /**
   * Returns whether chains of this ring are completed without an effect while it is disabled
   * (SET_VRING_ENABLE), as the specification requires for a network device's transmit rings. If it
   * returns false, they stay in the ring until it is enabled, like those of a ring that was never
   * enabled. Default false.
   */
  readonly discards?: (index: number) => boolean;
}

/** For a device that completes requests outside of `process`. */
export interface Draining {
  /** Resolves once no request of this ring is in flight. The device touches no chain afterwards. */
  readonly quiesce: (index: number) => Promise<void>;
  /** Describes a request of this ring in flight, for a report that the ring waits for it. */
  readonly describe?: (index: number) => string;
}

/** Offered to the front-end as GET_VRING_BASE_SKIP_DRAIN. */
export interface Suspension {
  /**
   * Abandons the requests in flight of this ring: the device touches and completes no chain
   * afterwards. They stay recorded in the in-flight region, and another instance resubmits them.
   *
   * @returns a promise if the kernel still accesses their memory, which resolves once it does not
   */
  readonly suspend: (index: number) => void | Promise<void>;
}

/** For a device whose rings can be served in workers. */
export interface WorkerPlacement {
  /**
   * Returns the part that serves a ring in a worker instead of `process`. Called at every start of
   * the ring. If it returns undefined, the ring runs on the event loop.
   */
  readonly partFor: (index: number) => WorkerPart | undefined;
}

/** Requests of network devices. */
export interface NetworkRequests {
  /** The answer to GET_QUEUE_NUM, which counts pairs of queues. */
  readonly queuePairs?: number;
  /**
   * Announces the guest's address to the network (SEND_RARP).
   *
   * @param mac 6 bytes
   */
  readonly announce?: (mac: Uint8Array) => void;
  /**
   * The device feature that NET_SET_MTU needs. A lenient session serves the request where the feature
   * was offered and none was acknowledged yet, as QEMU sends it before SET_FEATURES.
   */
  readonly mtuFeature?: bigint;
  /** NET_SET_MTU, bytes. */
  readonly setMtu?: (mtu: number) => void;
}

/** Sessions of a crypto device (CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION). */
export interface CryptoSessions {
  /**
   * @returns the id of the new session, 0 or more
   * @throws what the front-end is answered as a failure
   */
  create(wanted: CryptoSession): bigint | Promise<bigint>;
  /** @returns false: there is no such session */
  close(id: bigint): boolean;
}

/** Requests of GPU devices. */
export interface GpuRequests {
  /**
   * Passes the socket of the display to the device (GPU_SET_SOCKET).
   *
   * @param socket taken over
   */
  readonly setSocket: (socket: OwnedFd) => void;
}

/** Objects that the device shares by descriptor (GET_SHARED_OBJECT). */
export interface ObjectSharing {
  /**
   * @param uuid 16 bytes
   * @returns the object, borrowed; undefined if there is none
   */
  readonly find: (uuid: Uint8Array) => OwnedFd | undefined;
}
