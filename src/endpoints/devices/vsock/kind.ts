import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

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
};
