import type { DeviceKind } from "../kind.ts";

/** The 9P transport device. */
export const plan9Kind: DeviceKind = {
  name: "9p",
  id: 9,
  features: [[0, "VIRTIO_9P_MOUNT_TAG", "the mount tag is in the configuration space"]],
  queues: { once: ["requestq"] },
};
