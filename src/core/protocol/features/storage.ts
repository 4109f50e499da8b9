import type { FeatureRow } from "../feature-table.ts";

/** VIRTIO 5.2.3. */
export const blockFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_BLK_F_BARRIER", "legacy: requests can be barriers"],
  [1, "VIRTIO_BLK_F_SIZE_MAX", "a segment has a maximum size"],
  [2, "VIRTIO_BLK_F_SEG_MAX", "a request has a maximum number of segments"],
  [4, "VIRTIO_BLK_F_GEOMETRY", "cylinders, heads and sectors are told"],
  [5, "VIRTIO_BLK_F_RO", "the disk is read-only"],
  [6, "VIRTIO_BLK_F_BLK_SIZE", "the block size is told"],
  [7, "VIRTIO_BLK_F_SCSI", "legacy: SCSI commands are passed through"],
  [9, "VIRTIO_BLK_F_FLUSH", "the write cache can be flushed", "VIRTIO_BLK_F_WCE"],
  [10, "VIRTIO_BLK_F_TOPOLOGY", "physical block size and alignment are told"],
  [11, "VIRTIO_BLK_F_CONFIG_WCE", "the driver can switch the write cache"],
  [12, "VIRTIO_BLK_F_MQ", "several request queues"],
  [13, "VIRTIO_BLK_F_DISCARD", "ranges can be discarded"],
  [14, "VIRTIO_BLK_F_WRITE_ZEROES", "ranges can be zeroed without sending data"],
  [15, "VIRTIO_BLK_F_LIFETIME", "wear of the medium is told"],
  [16, "VIRTIO_BLK_F_SECURE_ERASE", "ranges can be erased beyond recovery"],
  [17, "VIRTIO_BLK_F_ZONED", "the disk has zones"],
];

/** VIRTIO 5.6.3. */
export const scsiFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_SCSI_F_INOUT", "a request may carry data in both directions"],
  [1, "VIRTIO_SCSI_F_HOTPLUG", "targets and units may come and go"],
  [2, "VIRTIO_SCSI_F_CHANGE", "changes of a unit's parameters are reported"],
  [3, "VIRTIO_SCSI_F_T10_PI", "requests may carry protection information"],
];

/** VIRTIO 5.11.3. */
export const fsFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_FS_F_NOTIFICATION", "there is a queue for FUSE notifications"],
];

/** VIRTIO 5.19.3. */
export const pmemFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_PMEM_F_SHMEM_REGION", "the memory is shared memory region 0"],
];

/** The specification's 9P device has one bit, for the tag in its configuration space. */
export const plan9Features: readonly FeatureRow[] = [
  [0, "VIRTIO_9P_MOUNT_TAG", "the mount tag is in the configuration space"],
];
