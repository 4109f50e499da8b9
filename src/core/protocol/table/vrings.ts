import { inflight } from "../payloads/inflight.ts";
import type { Inflight } from "../payloads/inflight.ts";
import { vringAddress } from "../payloads/vring-address.ts";
import { vringFd } from "../payloads/vring-fd.ts";
import type { VringFd } from "../payloads/vring-fd.ts";
import { vringState } from "../payloads/vring-state.ts";
import { ProtocolFeature } from "../protocol-features.ts";
import { FrontendRequest } from "../requests.ts";
import { VirtioFeature } from "../virtio-features.ts";
import { numIsBoolean, numIsQueueSize, numIsZero, onlyLogFlag } from "./checks.ts";
import { ack, always, maybeDescriptor, noDescriptors, oneDescriptor, own } from "./spec.ts";
import type { RequestSpec } from "./spec.ts";

const unlessNoFd = ({ noFd }: VringFd): number => (noFd ? 0 : 1);
const inflightShmfd = { protocol: ProtocolFeature.InflightShmfd };

/** The rings: set up, started, stopped, and what is in flight on them. */
export const vringRequests = {
  [FrontendRequest.SetVringNum]: {
    number: FrontendRequest.SetVringNum,
    name: "VHOST_USER_SET_VRING_NUM",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsQueueSize,
    requires: always,
    state: "while the ring is stopped",
    section: "Front-end message types",
    summary: "sets the size of a ring",
  },
  [FrontendRequest.SetVringAddr]: {
    number: FrontendRequest.SetVringAddr,
    name: "VHOST_USER_SET_VRING_ADDR",
    payload: vringAddress,
    reply: ack,
    descriptors: noDescriptors,
    check: onlyLogFlag,
    requires: always,
    state: "once there is memory; on a running ring only to switch logging",
    section: "Front-end message types",
    summary: "sends the addresses of a ring's parts",
  },
  [FrontendRequest.SetVringBase]: {
    number: FrontendRequest.SetVringBase,
    name: "VHOST_USER_SET_VRING_BASE",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    requires: always,
    state: "while the ring is stopped",
    section: "Front-end message types",
    summary: "says where in the ring to go on",
  },
  [FrontendRequest.GetVringBase]: {
    number: FrontendRequest.GetVringBase,
    name: "VHOST_USER_GET_VRING_BASE",
    payload: vringState,
    reply: own(vringState),
    descriptors: noDescriptors,
    check: numIsZero,
    requires: always,
    section: "Ring states",
    summary: "stops a ring, its requests completed, and asks for its base",
  },
  [FrontendRequest.SetVringKick]: {
    number: FrontendRequest.SetVringKick,
    name: "VHOST_USER_SET_VRING_KICK",
    payload: vringFd,
    reply: ack,
    descriptors: maybeDescriptor,
    descriptorsFor: unlessNoFd,
    requires: always,
    section: "Ring states",
    summary: "starts a ring; sends the descriptor that signals new buffers, or asks for polling",
  },
  [FrontendRequest.SetVringCall]: {
    number: FrontendRequest.SetVringCall,
    name: "VHOST_USER_SET_VRING_CALL",
    payload: vringFd,
    reply: ack,
    descriptors: maybeDescriptor,
    descriptorsFor: unlessNoFd,
    requires: always,
    section: "Front-end message types",
    summary: "gives the descriptor to signal when buffers were used",
  },
  [FrontendRequest.SetVringErr]: {
    number: FrontendRequest.SetVringErr,
    name: "VHOST_USER_SET_VRING_ERR",
    payload: vringFd,
    reply: ack,
    descriptors: maybeDescriptor,
    descriptorsFor: unlessNoFd,
    requires: always,
    section: "Front-end message types",
    summary: "gives the descriptor to signal when a ring is broken",
  },
  [FrontendRequest.SetVringEnable]: {
    number: FrontendRequest.SetVringEnable,
    name: "VHOST_USER_SET_VRING_ENABLE",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsBoolean,
    requires: { virtio: VirtioFeature.ProtocolFeatures },
    section: "Ring states",
    summary: "enables or disables a ring, started or not",
  },
  [FrontendRequest.SetVringEndian]: {
    number: FrontendRequest.SetVringEndian,
    name: "VHOST_USER_SET_VRING_ENDIAN",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsBoolean,
    requires: { protocol: ProtocolFeature.CrossEndian },
    state: "before the ring starts",
    section: "Front-end message types",
    summary: "sets the byte order of a legacy ring",
  },
  [FrontendRequest.GetInflightFd]: {
    number: FrontendRequest.GetInflightFd,
    name: "VHOST_USER_GET_INFLIGHT_FD",
    payload: inflight,
    reply: own(inflight, {
      descriptors: maybeDescriptor,
      descriptorsFor: ({ mmapSize }: Inflight) => (mmapSize === 0n ? 0 : 1),
    }),
    descriptors: noDescriptors,
    requires: inflightShmfd,
    state: "after SET_FEATURES: the layout depends on the kind of ring",
    section: "Inflight I/O tracking",
    summary: "asks for the memory in which requests in flight are tracked",
  },
  [FrontendRequest.SetInflightFd]: {
    number: FrontendRequest.SetInflightFd,
    name: "VHOST_USER_SET_INFLIGHT_FD",
    payload: inflight,
    reply: ack,
    descriptors: oneDescriptor,
    requires: inflightShmfd,
    state: "before rings start",
    section: "Inflight I/O tracking",
    summary: "hands that memory back, after a crash with its contents",
  },
  [FrontendRequest.VringKick]: {
    number: FrontendRequest.VringKick,
    name: "VHOST_USER_VRING_KICK",
    payload: vringState,
    reply: ack,
    descriptors: noDescriptors,
    check: numIsZero,
    requires: { protocol: ProtocolFeature.InbandNotifications },
    section: "In-band notifications",
    summary: "announces new buffers by message; also starts a stopped ring",
  },
  [FrontendRequest.GetVringBaseSkipDrain]: {
    number: FrontendRequest.GetVringBaseSkipDrain,
    name: "VHOST_USER_GET_VRING_BASE_SKIP_DRAIN",
    payload: vringState,
    reply: own(vringState),
    descriptors: noDescriptors,
    check: numIsZero,
    requires: { protocol: ProtocolFeature.GetVringBaseSkipDrain },
    section: "Front-end message types",
    summary: "stops a ring at once, its requests left in flight, and asks for its base",
  },
} satisfies Partial<Record<FrontendRequest, RequestSpec>>;
