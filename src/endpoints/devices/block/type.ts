import type { DeviceType } from "../../../core/protocol/index.ts";

/** The name of the block device and its feature bits (VIRTIO 5.2.3). */
export const blockType: DeviceType = {
  name: "block",
  features: [
    [0, "VIRTIO_BLK_F_BARRIER", "legacy: requests can be barriers"],
    [1, "VIRTIO_BLK_F_SIZE_MAX", "a segment has a maximum size"],
    [2, "VIRTIO_BLK_F_SEG_MAX", "a request has a maximum number of segments"],
    [4, "VIRTIO_BLK_F_GEOMETRY", "the configuration space has cylinders, heads and sectors"],
    [5, "VIRTIO_BLK_F_RO", "the disk is read-only"],
    [6, "VIRTIO_BLK_F_BLK_SIZE", "the configuration space has the block size"],
    [7, "VIRTIO_BLK_F_SCSI", "legacy: SCSI commands are passed through"],
    [9, "VIRTIO_BLK_F_FLUSH", "the write cache can be flushed", "VIRTIO_BLK_F_WCE"],
    [10, "VIRTIO_BLK_F_TOPOLOGY", "the configuration space has physical block size and alignment"],
    [11, "VIRTIO_BLK_F_CONFIG_WCE", "the driver can switch the write cache"],
    [12, "VIRTIO_BLK_F_MQ", "several request queues"],
    [13, "VIRTIO_BLK_F_DISCARD", "ranges can be discarded"],
    [14, "VIRTIO_BLK_F_WRITE_ZEROES", "ranges can be zeroed without sending data"],
    [15, "VIRTIO_BLK_F_LIFETIME", "the wear of the medium can be read"],
    [16, "VIRTIO_BLK_F_SECURE_ERASE", "ranges can be erased beyond recovery"],
    [17, "VIRTIO_BLK_F_ZONED", "the disk has zones"],
  ],
};
