import { type ChainField, configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const OPERATIONS = {
  1: "REQUEST",
  2: "RESPONSE",
  3: "RST",
  4: "SHUTDOWN",
  5: "RW",
  6: "CREDIT_UPDATE",
  7: "CREDIT_REQUEST",
};
/** The header of a packet. */
const PACKET: readonly ChainField[] = [
  { name: "op", at: 30, bytes: 2, names: OPERATIONS },
  { name: "sourceCid", at: 0, bytes: 8 },
  { name: "sourcePort", at: 16, bytes: 4 },
  { name: "targetCid", at: 8, bytes: 8 },
  { name: "targetPort", at: 20, bytes: 4 },
  { name: "length", at: 24, bytes: 4 },
];

/** The socket device (VIRTIO 5.10). */
export const vsockKind: DeviceKind = {
  name: "vsock",
  id: 19,
  aliases: ["socket"],
  features: [
    [0, "VIRTIO_VSOCK_F_STREAM", "stream sockets"],
    [1, "VIRTIO_VSOCK_F_SEQPACKET", "sockets that keep message boundaries"],
    [2, "VIRTIO_VSOCK_F_NO_IMPLIED_STREAM", "stream sockets exist only if offered"],
  ],
  config: {
    sizes: [8],
    fields: {
      guestCid: configField.u64(0),
    },
  },
  queues: { once: ["rx", "tx", "event"] },
  chains: {
    rx: { reply: PACKET },
    tx: { request: PACKET },
    event: { reply: [{ name: "event", at: 0, bytes: 4, names: { 0: "TRANSPORT_RESET" } }] },
  },
};
