import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

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
};
