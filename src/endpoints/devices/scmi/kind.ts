import type { DeviceKind } from "../kind.ts";

/** The SCMI device (VIRTIO 5.17). */
export const scmiKind: DeviceKind = {
  name: "scmi",
  id: 32,
  features: [
    [0, "VIRTIO_SCMI_F_P2A_CHANNELS", "the platform may send notifications"],
    [1, "VIRTIO_SCMI_F_SHARED_MEMORY", "statistics are in shared memory"],
  ],
  queues: { once: ["cmdq", "eventq"] },
  chains: {
    cmdq: {
      request: [{ name: "header", at: 0, bytes: 4, hex: true }],
      reply: [{ name: "status", at: 4, bytes: 4, names: { 0: "SUCCESS" }, hex: true }],
      status: { field: "status", ok: [0] },
    },
    eventq: { reply: [{ name: "header", at: 0, bytes: 4, hex: true }] },
  },
};
