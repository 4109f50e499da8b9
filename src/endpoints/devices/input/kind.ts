import type { DeviceKind } from "../kind.ts";

/** The input device (VIRTIO 5.8). */
export const inputKind: DeviceKind = {
  name: "input",
  id: 18,
  features: [],
  queues: { once: ["eventq", "statusq"] },
};
