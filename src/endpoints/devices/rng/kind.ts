import type { DeviceKind } from "../kind.ts";
import { rngType } from "./type.ts";

/** The entropy device (VIRTIO 5.4). */
export const rngKind: DeviceKind = {
  ...rngType,
  id: 4,
  aliases: ["entropy"],
  queues: { once: ["requestq"] },
};
