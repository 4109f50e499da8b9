import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The CAN device (VIRTIO 1.4, 5.20). */
export const canKind: DeviceKind = {
  name: "can",
  id: 36,
  features: [
    [0, "VIRTIO_CAN_F_CAN_CLASSIC", "classic CAN frames"],
    [1, "VIRTIO_CAN_F_CAN_FD", "CAN FD frames"],
    [2, "VIRTIO_CAN_F_RTR_FRAMES", "remote transmission requests"],
    [3, "VIRTIO_CAN_F_LATE_TX_ACK", "a frame is completed after its transmission on the bus"],
  ],
  config: {
    sizes: [2],
    fields: {
      status: configField.u16(0),
    },
  },
  queues: { once: ["txq", "rxq", "controlq"] },
};
