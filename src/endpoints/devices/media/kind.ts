import type { DeviceKind } from "../kind.ts";

/** The media device (VIRTIO 1.4, 5.22). */
export const mediaKind: DeviceKind = {
  name: "media",
  id: 48,
  features: [],
  queues: { once: ["commandq", "eventq"] },
};
