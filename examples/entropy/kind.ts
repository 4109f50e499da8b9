import type { DeviceKind } from "vhost-user";
import { entropyType } from "./device.ts";

/** The entropy device (VIRTIO 5.4): one queue, no feature bits, no configuration space. */
export const entropyKind: DeviceKind = {
  ...entropyType,
  id: 4,
  queues: { once: ["requestq"] },
};
