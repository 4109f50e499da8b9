import { type ChainField, configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const EVENTS = {
  0: "DEVICE_READY",
  1: "DEVICE_ADD",
  2: "DEVICE_REMOVE",
  3: "PORT_READY",
  4: "CONSOLE_PORT",
  5: "RESIZE",
  6: "PORT_OPEN",
  7: "PORT_NAME",
};
const CONTROL: readonly ChainField[] = [
  { name: "event", at: 4, bytes: 2, names: EVENTS },
  { name: "port", at: 0, bytes: 4 },
  { name: "value", at: 6, bytes: 2 },
];

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
  chains: {
    "control receiveq": { reply: CONTROL },
    "control transmitq": { request: CONTROL },
  },
};
