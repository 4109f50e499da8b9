import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The replay-protected memory block device (VIRTIO 5.12). */
export const rpmbKind: DeviceKind = {
  name: "rpmb",
  id: 28,
  features: [],
  config: {
    sizes: [3],
    fields: {
      capacity: configField.u8(0),
      maxWriteCount: configField.u8(1),
      maxReadCount: configField.u8(2),
    },
  },
  queues: { once: ["requestq"] },
};
