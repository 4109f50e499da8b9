import { type ChainField, type ChainLayout, configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const MESSAGES = { 0x0001: "TX", 0x0101: "RX", 0x0201: "START", 0x0202: "STOP" };
const FRAME: readonly ChainField[] = [
  { name: "message", at: 0, bytes: 2, names: MESSAGES, hex: true },
  { name: "id", at: 12, bytes: 4, hex: true },
  { name: "length", at: 2, bytes: 2 },
];
const RESULT: ChainLayout = {
  reply: [{ name: "result", at: 0, bytes: 1, names: { 0: "OK", 1: "NOT_OK" } }],
  status: { field: "result", ok: [0] },
};

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
  chains: {
    txq: { ...RESULT, request: FRAME },
    rxq: { reply: FRAME },
    controlq: {
      ...RESULT,
      request: [{ name: "message", at: 0, bytes: 2, names: MESSAGES, hex: true }],
    },
  },
};
