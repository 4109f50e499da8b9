import type { DeviceType } from "../../../core/protocol/index.ts";

/** The name of the file system device and its feature bits (VIRTIO 5.11.3). */
export const fsType: DeviceType = {
  name: "fs",
  features: [[0, "VIRTIO_FS_F_NOTIFICATION", "there is a queue for FUSE notifications"]],
};
