/**
 * Block device, VIRTIO 5.2: numbers and structures that driver and device share.
 *
 * A request is a chain: 16 readable bytes of header {0:4 type, 4:4 reserved, 8:8 sector}, data
 * (readable or writable), and one status byte, the last writable byte of the chain. How these bytes
 * are cut into descriptors means nothing.
 */

/** Bytes of a sector, independent of the block size. */
export const SECTOR_SIZE = 512;
export const HEADER_BYTES = 16;
/** Bytes of the GET_ID answer. */
export const ID_BYTES = 20;
/** Bytes of a discard or write-zeroes segment: 0:8 sector, 8:4 sectors, 12:4 flags. */
export const RANGE_BYTES = 16;
/** Request queues of one device: a vhost-user ring index has 8 bits. */
export const MAX_BLOCK_QUEUES = 256;

/** Feature bits of the device (masks). */
export const BlockFeature = {
  /** VIRTIO_BLK_F_SIZE_MAX */
  SizeMax: 1n << 1n,
  /** VIRTIO_BLK_F_SEG_MAX */
  SegMax: 1n << 2n,
  /** VIRTIO_BLK_F_RO */
  ReadOnly: 1n << 5n,
  /** VIRTIO_BLK_F_BLK_SIZE */
  BlockSize: 1n << 6n,
  /** VIRTIO_BLK_F_FLUSH */
  Flush: 1n << 9n,
  /** VIRTIO_BLK_F_TOPOLOGY */
  Topology: 1n << 10n,
  /** VIRTIO_BLK_F_CONFIG_WCE */
  ConfigWce: 1n << 11n,
  /** VIRTIO_BLK_F_MQ */
  Mq: 1n << 12n,
  /** VIRTIO_BLK_F_DISCARD */
  Discard: 1n << 13n,
  /** VIRTIO_BLK_F_WRITE_ZEROES */
  WriteZeroes: 1n << 14n,
} as const;

/** Device features that the driver uses where they are offered. */
export const BLOCK_DRIVER_FEATURES: bigint =
  BlockFeature.SizeMax |
  BlockFeature.SegMax |
  BlockFeature.ReadOnly |
  BlockFeature.BlockSize |
  BlockFeature.Flush |
  BlockFeature.Topology |
  BlockFeature.Mq |
  BlockFeature.Discard |
  BlockFeature.WriteZeroes;

/** Request types. */
export const BlockRequest = {
  /** VIRTIO_BLK_T_IN */
  In: 0,
  /** VIRTIO_BLK_T_OUT */
  Out: 1,
  /** VIRTIO_BLK_T_FLUSH */
  Flush: 4,
  /** VIRTIO_BLK_T_GET_ID */
  GetId: 8,
  /** VIRTIO_BLK_T_DISCARD */
  Discard: 11,
  /** VIRTIO_BLK_T_WRITE_ZEROES */
  WriteZeroes: 13,
} as const;
export type BlockRequest = (typeof BlockRequest)[keyof typeof BlockRequest];

/** Status bytes. */
export const BlockStatus = {
  /** VIRTIO_BLK_S_OK */
  Ok: 0,
  /** VIRTIO_BLK_S_IOERR */
  IoError: 1,
  /** VIRTIO_BLK_S_UNSUPP */
  Unsupported: 2,
} as const;

/** A status byte by its name. */
export function blockStatusName(status: number): string {
  const names = ["VIRTIO_BLK_S_OK", "VIRTIO_BLK_S_IOERR", "VIRTIO_BLK_S_UNSUPP"];
  return names[status] ?? `status ${status}`;
}

/** Flag of a write-zeroes segment: the device may deallocate the range. */
export const WRITE_ZEROES_UNMAP = 1;
