import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const REQUESTS = {
  1: "GET_NAMES",
  2: "GET_DIRECTION",
  3: "SET_DIRECTION",
  4: "GET_VALUE",
  5: "SET_VALUE",
  6: "IRQ_TYPE",
};

/** The GPIO device (VIRTIO 5.18). */
export const gpioKind: DeviceKind = {
  name: "gpio",
  id: 41,
  features: [[0, "VIRTIO_GPIO_F_IRQ", "lines can raise interrupts"]],
  config: {
    sizes: [8],
    fields: {
      lines: configField.u16(0),
      namesSize: configField.u32(4),
    },
  },
  queues: { once: ["requestq", "eventq"] },
  chains: {
    requestq: {
      request: [
        { name: "request", at: 0, bytes: 2, names: REQUESTS },
        { name: "line", at: 2, bytes: 2 },
        { name: "value", at: 4, bytes: 4 },
      ],
      reply: [
        { name: "status", at: 0, bytes: 1, names: { 0: "OK", 1: "ERR" } },
        { name: "result", at: 1, bytes: 1 },
      ],
      status: { field: "status", ok: [0] },
    },
    eventq: {
      request: [{ name: "line", at: 0, bytes: 2 }],
      reply: [{ name: "status", at: 0, bytes: 1, names: { 0: "INVALID", 1: "VALID" } }],
    },
  },
};
