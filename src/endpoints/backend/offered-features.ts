import { ProtocolFeature, VirtioFeature } from "../../core/protocol/index.ts";
import type { Device } from "./device.ts";

/** Virtio features of transport and rings that every back-end offers. */
export const BACKEND_RING_FEATURES: bigint =
  VirtioFeature.Version1 |
  VirtioFeature.IndirectDesc |
  VirtioFeature.EventIdx |
  VirtioFeature.RingPacked |
  VirtioFeature.InOrder |
  VirtioFeature.LogAll |
  VirtioFeature.ProtocolFeatures;

/** Protocol features that every back-end offers; CONFIG comes with a device that has one. */
export const BACKEND_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.LogShmfd |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.InflightShmfd |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status |
  ProtocolFeature.GpaAddresses;

/**
 * Protocol features that are implemented and off by default: QEMU acknowledges every offered
 * feature, including the in-band notifications that it does not implement.
 */
export const BACKEND_OPTIONAL_FEATURES: bigint =
  ProtocolFeature.InbandNotifications | ProtocolFeature.CrossEndian | ProtocolFeature.Pagefault;

/**
 * The feature of GET_VRING_BASE_SKIP_DRAIN. It needs INFLIGHT_SHMFD, and a device that can leave
 * requests in flight.
 */
export const SKIP_DRAIN =
  ProtocolFeature.GetVringBaseInflight | ProtocolFeature.GetVringBaseSkipDrain;

/** Protocol features that a back-end with this device offers. */
export function protocolFeaturesOf(device: Device): bigint {
  const {
    config,
    migration,
    suspension,
    network,
    crypto,
    sharedMemory,
    sharedObjects,
    hostNotifiers,
  } = device.capabilities ?? {};
  const uses: readonly [boolean, bigint][] = [
    [config !== undefined, ProtocolFeature.Config],
    [migration !== undefined, ProtocolFeature.DeviceState],
    [suspension !== undefined, SKIP_DRAIN],
    [network?.announce !== undefined, ProtocolFeature.Rarp],
    [network?.setMtu !== undefined, ProtocolFeature.Mtu],
    [crypto !== undefined, ProtocolFeature.CryptoSession],
    [sharedMemory !== undefined, ProtocolFeature.Shmem | ProtocolFeature.BackendSendFd],
    [sharedObjects !== undefined, ProtocolFeature.SharedObject | ProtocolFeature.BackendSendFd],
    [hostNotifiers === true, ProtocolFeature.HostNotifier | ProtocolFeature.BackendSendFd],
  ];
  return uses.reduce((all, [used, bits]) => (used ? all | bits : all), BACKEND_PROTOCOL_FEATURES);
}

/**
 * Postcopy goes without memory slots (specification: "Migration"), and with rings on the event loop:
 * a worker has mappings of its own, whose pages would never arrive.
 */
export function withoutConflicts(features: bigint, workers: boolean): bigint {
  if ((features & ProtocolFeature.Pagefault) === 0n) return features;
  return features & ~(workers ? ProtocolFeature.Pagefault : ProtocolFeature.ConfigureMemSlots);
}
