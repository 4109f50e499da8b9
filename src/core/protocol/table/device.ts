import { config, configReply } from "../payloads/config.ts";
import { cryptoSession } from "../payloads/crypto-session.ts";
import { deviceStateParams } from "../payloads/device-state.ts";
import { empty } from "../payloads/empty.ts";
import { opaque } from "../payloads/opaque.ts";
import { sharedObject } from "../payloads/shared-object.ts";
import { shmemConfig } from "../payloads/shmem-config.ts";
import { acknowledgement, count, deviceStateReply, macAddress, u64 } from "../payloads/u64.ts";
import { ProtocolFeature } from "../protocol-features.ts";
import {
  configFlags,
  macHasSixBytes,
  mtuValue,
  regionCount,
  stateReply,
  transferParams,
} from "./checks.ts";
import { ack, always, maybeDescriptor, noDescriptors, oneDescriptor, own } from "./spec.ts";
import type { RequestTable } from "./spec.ts";

const hasConfig = { protocol: ProtocolFeature.Config };
const hasCrypto = { protocol: ProtocolFeature.CryptoSession };
const hasState = { protocol: ProtocolFeature.DeviceState };

/** Requests that only some kinds of devices know, and the device's own state. */
export const deviceRequests = {
  SendRarp: {
    number: 19,
    name: "VHOST_USER_SEND_RARP",
    payload: macAddress,
    reply: ack,
    descriptors: noDescriptors,
    check: macHasSixBytes,
    requires: { protocol: ProtocolFeature.Rarp, offerSuffices: true },
    state: "while rings run, after a migration",
    section: "Front-end message types",
    summary: "has the back-end announce the guest's MAC address by a RARP packet",
  },
  NetSetMtu: {
    number: 20,
    name: "VHOST_USER_NET_SET_MTU",
    payload: count,
    reply: ack,
    descriptors: noDescriptors,
    check: mtuValue,
    // It also needs VIRTIO_NET_F_MTU, bit 3 of a net device's virtio features.
    requires: { protocol: ProtocolFeature.Mtu, virtio: 1n << 3n, offerSuffices: true },
    section: "Front-end message types",
    summary: "sends the MTU that the guest sees",
  },
  GetConfig: {
    number: 24,
    name: "VHOST_USER_GET_CONFIG",
    payload: config,
    reply: own(configReply),
    descriptors: noDescriptors,
    requires: hasConfig,
    section: "Front-end message types",
    summary: "reads from the configuration space; an empty reply means failure",
  },
  SetConfig: {
    number: 25,
    name: "VHOST_USER_SET_CONFIG",
    payload: config,
    reply: ack,
    descriptors: noDescriptors,
    check: configFlags,
    requires: hasConfig,
    section: "Front-end message types",
    summary: "writes to the configuration space, for the driver or after a migration",
  },
  CreateCryptoSession: {
    number: 26,
    name: "VHOST_USER_CREATE_CRYPTO_SESSION",
    payload: cryptoSession,
    reply: own(cryptoSession),
    descriptors: noDescriptors,
    requires: hasCrypto,
    section: "Front-end message types",
    summary: "creates a crypto session; the reply has its id, negative for failure",
  },
  CloseCryptoSession: {
    number: 27,
    name: "VHOST_USER_CLOSE_CRYPTO_SESSION",
    payload: u64,
    reply: ack,
    descriptors: noDescriptors,
    requires: hasCrypto,
    section: "Front-end message types",
    summary: "closes a crypto session",
  },
  GpuSetSocket: {
    number: 33,
    name: "VHOST_USER_GPU_SET_SOCKET",
    payload: empty,
    reply: ack,
    descriptors: oneDescriptor,
    carries: "display",
    requires: always,
    section: "Front-end message types",
    summary: "hands over the socket of the display protocol",
  },
  GetSharedObject: {
    number: 41,
    name: "VHOST_USER_GET_SHARED_OBJECT",
    payload: sharedObject,
    // Peers reply with the request's 16 bytes or with none; only the descriptor matters.
    reply: own(opaque, { descriptors: maybeDescriptor }),
    descriptors: noDescriptors,
    carries: "object*",
    requires: { protocol: ProtocolFeature.SharedObject },
    section: "Front-end message types",
    summary: "asks for the dma-buf with this UUID; a reply without descriptor means unknown",
  },
  SetDeviceStateFd: {
    number: 42,
    name: "VHOST_USER_SET_DEVICE_STATE_FD",
    payload: deviceStateParams,
    reply: own(deviceStateReply, {
      descriptors: maybeDescriptor,
      descriptorsFor: (value: bigint) => ((value & 0x1ffn) === 0n ? 1 : 0),
      check: stateReply,
    }),
    descriptors: oneDescriptor,
    carries: "device-state",
    check: transferParams,
    requires: hasState,
    state: "while all rings are stopped",
    section: "Migrating back-end state",
    summary: "opens a channel for saving or loading the device's internal state",
  },
  CheckDeviceState: {
    number: 43,
    name: "VHOST_USER_CHECK_DEVICE_STATE",
    payload: empty,
    reply: own(acknowledgement),
    descriptors: noDescriptors,
    requires: hasState,
    state: "after the transfer of SET_DEVICE_STATE_FD",
    section: "Migrating back-end state",
    summary: "asks whether the transfer of the internal state succeeded",
  },
  GetShmemConfig: {
    number: 44,
    name: "VHOST_USER_GET_SHMEM_CONFIG",
    payload: empty,
    reply: own(shmemConfig, { check: regionCount }),
    descriptors: noDescriptors,
    requires: { protocol: ProtocolFeature.Shmem },
    section: "Front-end message types",
    summary: "asks for the sizes of the device's shared memory regions",
  },
} as const satisfies RequestTable;
