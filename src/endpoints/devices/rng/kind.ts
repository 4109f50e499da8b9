import type { DeviceKind } from "../kind.ts";

/** The entropy device (VIRTIO 5.4). */
export const rngKind: DeviceKind = {
  name: "rng",
  id: 4,
  aliases: ["entropy"],
  features: [],
  queues: { once: ["requestq"] },
};
