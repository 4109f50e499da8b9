import { ProtocolFeature } from "../protocol-features.ts";
import { empty } from "../payloads/empty.ts";
import { count, deviceStatus, protocolFeatures, virtioFeatures } from "../payloads/u64.ts";
import { FrontendRequest } from "../requests.ts";
import { VirtioFeature } from "../virtio-features.ts";
import { byteValue } from "./checks.ts";
import { ack, always, noDescriptors, oneDescriptor, own } from "./spec.ts";
import type { RequestSpec } from "./spec.ts";

const offersProtocol = { offered: VirtioFeature.ProtocolFeatures };

/** The requests for negotiation, ownership, status and the back-end channel. */
export const sessionRequests = {
  [FrontendRequest.GetFeatures]: {
    number: FrontendRequest.GetFeatures,
    name: "VHOST_USER_GET_FEATURES",
    payload: empty,
    reply: own(virtioFeatures),
    descriptors: noDescriptors,
    requires: always,
    section: "Front-end message types",
    summary: "asks which virtio features the back-end offers; answered in every state",
  },
  [FrontendRequest.SetFeatures]: {
    number: FrontendRequest.SetFeatures,
    name: "VHOST_USER_SET_FEATURES",
    payload: virtioFeatures,
    reply: ack,
    descriptors: noDescriptors,
    requires: always,
    section: "Ring states",
    summary: "acknowledges virtio features; without bit 30 it also enables all rings",
  },
  [FrontendRequest.SetOwner]: {
    number: FrontendRequest.SetOwner,
    name: "VHOST_USER_SET_OWNER",
    payload: empty,
    reply: ack,
    descriptors: noDescriptors,
    requires: always,
    state: "once, at the start of the session",
    section: "Front-end message types",
    summary: "makes the sender the owner of the session",
  },
  [FrontendRequest.ResetOwner]: {
    number: FrontendRequest.ResetOwner,
    name: "VHOST_USER_RESET_OWNER",
    payload: empty,
    reply: ack,
    descriptors: noDescriptors,
    requires: always,
    section: "Front-end message types",
    summary: "gave up ownership once; peers disagree about its effect",
    deprecated: true,
  },
  [FrontendRequest.GetProtocolFeatures]: {
    number: FrontendRequest.GetProtocolFeatures,
    name: "VHOST_USER_GET_PROTOCOL_FEATURES",
    payload: empty,
    reply: own(protocolFeatures),
    descriptors: noDescriptors,
    requires: offersProtocol,
    section: "Protocol features",
    summary: "asks which extensions of the protocol the back-end offers",
  },
  [FrontendRequest.SetProtocolFeatures]: {
    number: FrontendRequest.SetProtocolFeatures,
    name: "VHOST_USER_SET_PROTOCOL_FEATURES",
    payload: protocolFeatures,
    reply: ack,
    descriptors: noDescriptors,
    requires: offersProtocol,
    section: "Protocol features",
    summary: "acknowledges extensions of the protocol",
  },
  [FrontendRequest.GetQueueNum]: {
    number: FrontendRequest.GetQueueNum,
    name: "VHOST_USER_GET_QUEUE_NUM",
    payload: empty,
    reply: own(count),
    descriptors: noDescriptors,
    requires: { protocol: ProtocolFeature.Mq, offerSuffices: true },
    section: "Multiple queue support",
    summary: "asks for the largest number of queues; DPDK and QEMU count pairs for net devices",
  },
  [FrontendRequest.SetBackendReqFd]: {
    number: FrontendRequest.SetBackendReqFd,
    name: "VHOST_USER_SET_BACKEND_REQ_FD",
    payload: empty,
    reply: ack,
    descriptors: oneDescriptor,
    requires: { protocol: ProtocolFeature.BackendReq },
    section: "Back-end communication",
    summary: "hands over the socket for requests of the back-end",
  },
  [FrontendRequest.ResetDevice]: {
    number: FrontendRequest.ResetDevice,
    name: "VHOST_USER_RESET_DEVICE",
    payload: empty,
    reply: ack,
    descriptors: noDescriptors,
    requires: { protocol: ProtocolFeature.ResetDevice },
    section: "Front-end message types",
    summary: "disables all rings and resets the device; connection and owner stay",
  },
  [FrontendRequest.SetStatus]: {
    number: FrontendRequest.SetStatus,
    name: "VHOST_USER_SET_STATUS",
    payload: deviceStatus,
    reply: ack,
    descriptors: noDescriptors,
    check: byteValue,
    requires: { protocol: ProtocolFeature.Status },
    section: "Front-end message types",
    summary: "passes on the virtio device status; zero resets the device",
  },
  [FrontendRequest.GetStatus]: {
    number: FrontendRequest.GetStatus,
    name: "VHOST_USER_GET_STATUS",
    payload: empty,
    reply: own(deviceStatus, { check: byteValue }),
    descriptors: noDescriptors,
    requires: { protocol: ProtocolFeature.Status },
    section: "Front-end message types",
    summary: "asks for the virtio device status",
  },
} satisfies Partial<Record<FrontendRequest, RequestSpec>>;
