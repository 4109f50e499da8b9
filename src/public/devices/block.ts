/**
 * `vhost-user/devices/block`: block devices (VIRTIO 5.2).
 *
 * - {@link BlockDriver} reads and writes the disk of a back-end
 * - {@link BlockDevice} serves a disk; `vhost-user/storage` has what it serves from
 */
export { blockKind } from "../../endpoints/devices/block/kind.ts";
export {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  type BlockDeviceOptions,
  BlockDriver,
  type BlockDriverOptions,
  BlockFeature,
  BlockQueue,
  type BlockQueueHandler,
  type BlockQueueOptions,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  type BlockConfig,
  decodeBlockConfig,
  SECTOR_SIZE,
} from "../../endpoints/devices/block/index.ts";
