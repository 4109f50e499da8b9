import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The console device (VIRTIO 5.3). */
export const consoleKind: DeviceKind = {
  name: "console",
  id: 3,
  features: [
    [0, "VIRTIO_CONSOLE_F_SIZE", "the configuration space has the console's size"],
    [1, "VIRTIO_CONSOLE_F_MULTIPORT", "several ports and a control queue"],
    [2, "VIRTIO_CONSOLE_F_EMERG_WRITE", "output without queues, by the configuration space"],
  ],
  config: {
    sizes: [12, 8, 4],
    fields: {
      cols: configField.u16(0),
      rows: configField.u16(2),
      maxPorts: configField.u32(4),
      emergencyWrite: configField.u32(8),
    },
  },
  queues: {
    once: ["receiveq", "transmitq", "control receiveq", "control transmitq"],
    repeated: ["receiveq", "transmitq"],
  },
};
