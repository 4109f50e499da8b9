import { empty } from "../payloads/empty.ts";
import { iotlb } from "../payloads/iotlb.ts";
import { mmap } from "../payloads/mmap.ts";
import { sharedObject } from "../payloads/shared-object.ts";
import { acknowledgement } from "../payloads/u64.ts";
import { vringArea } from "../payloads/vring-area.ts";
import type { VringArea } from "../payloads/vring-area.ts";
import { vringState } from "../payloads/vring-state.ts";
import { ProtocolFeature } from "../protocol-features.ts";
import { VirtioFeature } from "../virtio-features.ts";
import { backendIotlb, mappingIsSane, numIsZero } from "./checks.ts";
import { ack, maybeDescriptor, noDescriptors, oneDescriptor, own } from "./spec.ts";
import type { RequestTable } from "./spec.ts";

const { BackendReq, BackendSendFd } = ProtocolFeature;
const inband = { protocol: BackendReq | ProtocolFeature.InbandNotifications };
const sharedObjects = { protocol: BackendReq | ProtocolFeature.SharedObject };

/** All requests of a back-end, on the channel that SET_BACKEND_REQ_FD opened. */
export const backendRequests = {
  IotlbMsg: {
    number: 1,
    name: "VHOST_USER_BACKEND_IOTLB_MSG",
    payload: iotlb,
    reply: ack,
    descriptors: noDescriptors,
    check: backendIotlb,
    requires: { virtio: VirtioFeature.AccessPlatform, protocol: BackendReq },
    section: "IOMMU support",
    summary: "asks for a missing translation or reports a forbidden access",
  },
  ConfigChangeMsg: {
    number: 2,
    name: "VHOST_USER_BACKEND_CONFIG_CHANGE_MSG",
    payload: empty,
    reply: ack,
    descriptors: noDescriptors,
    requires: { protocol: BackendReq | ProtocolFeature.Config },
    section: "Back-end message types",
    summary: "reports that the configuration space has changed",
  },
  VringHostNotifierMsg: {
    number: 3,
    name: "VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG",
    payload: vringArea,
    reply: ack,
    descriptors: maybeDescriptor,
    descriptorsFor: ({ noFd }: VringArea) => (noFd ? 0 : 1),
    carries: "notifier.#",
    requires: { protocol: BackendReq | BackendSendFd | ProtocolFeature.HostNotifier },
    section: "Back-end message types",
    summary: "maps a hardware doorbell as a queue's notification area, or removes it",
  },
  VringCall: {
    number: 4,
    name: "VHOST_USER_BACKEND_VRING_CALL",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsZero,
    requires: inband,
    section: "In-band notifications",
    summary: "reports used buffers by message",
  },
  VringErr: {
    number: 5,
    name: "VHOST_USER_BACKEND_VRING_ERR",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsZero,
    requires: inband,
    section: "In-band notifications",
    summary: "reports a broken ring by message",
  },
  SharedObjectAdd: {
    number: 6,
    name: "VHOST_USER_BACKEND_SHARED_OBJECT_ADD",
    payload: sharedObject,
    reply: ack,
    descriptors: noDescriptors,
    requires: sharedObjects,
    section: "Back-end message types",
    summary: "announces that the sender exports the object with this UUID",
  },
  SharedObjectRemove: {
    number: 7,
    name: "VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE",
    payload: sharedObject,
    reply: ack,
    descriptors: noDescriptors,
    requires: sharedObjects,
    section: "Back-end message types",
    summary: "withdraws an object that the sender had announced",
  },
  SharedObjectLookup: {
    number: 8,
    name: "VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP",
    payload: sharedObject,
    reply: own(acknowledgement, {
      descriptors: maybeDescriptor,
      descriptorsFor: (value: bigint) => (value === 0n ? 1 : 0),
    }),
    descriptors: noDescriptors,
    carries: "object*",
    requires: sharedObjects,
    section: "Back-end message types",
    summary: "asks for the dma-buf with this UUID, from any back-end that exports it",
  },
  ShmemMap: {
    number: 9,
    name: "VHOST_USER_BACKEND_SHMEM_MAP",
    payload: mmap,
    reply: ack,
    descriptors: oneDescriptor,
    carries: "shmem*",
    check: mappingIsSane,
    requires: { protocol: BackendReq | BackendSendFd | ProtocolFeature.Shmem },
    section: "Back-end message types",
    summary: "maps a file into a shared memory region of the device",
  },
  ShmemUnmap: {
    number: 10,
    name: "VHOST_USER_BACKEND_SHMEM_UNMAP",
    payload: mmap,
    reply: ack,
    descriptors: noDescriptors,
    check: mappingIsSane,
    requires: { protocol: BackendReq | ProtocolFeature.Shmem },
    section: "Back-end message types",
    summary: "removes one earlier mapping, as a whole",
  },
} as const satisfies RequestTable;
