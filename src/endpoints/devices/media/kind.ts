import type { DeviceKind } from "../kind.ts";

/** The media device. */
export const mediaKind: DeviceKind = {
  name: "media",
  id: 48,
  features: [],
  queues: { once: ["commandq", "eventq"] },
};
