import type { OwnedFd } from "../../core/os/index.ts";
import { type CryptoSession, ProtocolFeature } from "../../core/protocol/index.ts";
import type { BackendRequests } from "./backend-requests.ts";

/** What a device may do through the session that it belongs to. */
export interface DeviceSession {
  /** Requests to the front-end; not to be awaited while one of the front-end's is served. */
  readonly requests: BackendRequests;
  /**
   * The configuration space has changed by itself: the front-end is told, see
   * `BackendSession.configChanged`; where that fails, the session reports it.
   */
  configChanged(): void;
}

/** Sessions of a crypto device (CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION). */
export interface CryptoSessions {
  /** The new session's id, 0 or more. @throws what is told to the front-end as "failed" */
  create(wanted: CryptoSession): bigint | Promise<bigint>;
  /** False: there is no such session. */
  close(id: bigint): boolean;
}

/**
 * Requests that only some kinds of devices serve. Each is optional; what a device has decides which
 * protocol features are offered, and what it lacks is refused.
 */
export interface DeviceRequests {
  /** Called once, when the session begins. */
  attach?(session: DeviceSession): void;
  /** SEND_RARP: announce the guest's address to the network. @param mac 6 bytes */
  announce?(mac: Uint8Array): void;
  /** NET_SET_MTU, bytes. */
  setMtu?(mtu: number): void;
  readonly crypto?: CryptoSessions;
  /** GPU_SET_SOCKET: the display's socket, which is the device's from then on. */
  setGpuSocket?(socket: OwnedFd): void;
  /** Bytes of each shared memory region, by its id (GET_SHMEM_CONFIG). */
  readonly sharedMemory?: readonly bigint[];
  /** GET_SHARED_OBJECT: the object, borrowed; undefined: there is none. @param uuid 16 bytes */
  sharedObject?(uuid: Uint8Array): OwnedFd | undefined;
  /** Whether the device gives doorbells (VRING_HOST_NOTIFIER_MSG). */
  readonly hostNotifiers?: boolean;
}

const { BackendSendFd } = ProtocolFeature;

/** The protocol features that a device's own requests need. */
export function deviceProtocolFeatures(device: DeviceRequests): bigint {
  const uses: readonly [boolean, bigint][] = [
    [device.announce !== undefined, ProtocolFeature.Rarp],
    [device.setMtu !== undefined, ProtocolFeature.Mtu],
    [device.crypto !== undefined, ProtocolFeature.CryptoSession],
    [device.sharedMemory !== undefined, ProtocolFeature.Shmem | BackendSendFd],
    [device.sharedObject !== undefined, ProtocolFeature.SharedObject | BackendSendFd],
    [device.hostNotifiers === true, ProtocolFeature.HostNotifier | BackendSendFd],
  ];
  return uses.reduce((all, [used, features]) => (used ? all | features : all), 0n);
}
