import {
  configField,
  decodeConfig,
  encodeConfig,
  type ConfigLayout,
} from "../../../core/protocol/index.ts";

/**
 * The size of the configuration space of the block device, VIRTIO 5.2.4. Little-endian:
 *
 * | offset:size | field | with feature |
 * | --- | --- | --- |
 * | 0:8 | capacity, sectors of 512 bytes | |
 * | 8:4 | size_max | SIZE_MAX |
 * | 12:4 | seg_max | SEG_MAX |
 * | 16:4 | geometry: cylinders u16, heads u8, sectors u8 | GEOMETRY |
 * | 20:4 | blk_size | BLK_SIZE |
 * | 24:8 | physical_block_exp u8, alignment_offset u8, min_io_size u16, opt_io_size u32 | TOPOLOGY |
 * | 32:1 | wce | CONFIG_WCE |
 * | 34:2 | num_queues | MQ |
 * | 36:12 | max_discard_sectors, max_discard_seg, discard_sector_alignment | DISCARD |
 * | 48:9 | max_write_zeroes_sectors, max_write_zeroes_seg, write_zeroes_may_unmap u8 | WRITE_ZEROES |
 */
export const BLOCK_CONFIG_SIZE = 60;

/** The configuration space. Fields that the device does not have are 0. */
export interface BlockConfig {
  /** Sectors of 512 bytes. */
  readonly capacity: bigint;
  readonly sizeMax: number;
  readonly segMax: number;
  readonly geometry: {
    readonly cylinders: number;
    readonly heads: number;
    readonly sectors: number;
  };
  /** Size in bytes. */
  readonly blkSize: number;
  readonly physicalBlockExp: number;
  readonly alignmentOffset: number;
  readonly minIoSize: number;
  readonly optIoSize: number;
  readonly wce: number;
  readonly numQueues: number;
  readonly maxDiscardSectors: number;
  readonly maxDiscardSeg: number;
  readonly discardSectorAlignment: number;
  readonly maxWriteZeroesSectors: number;
  readonly maxWriteZeroesSeg: number;
  readonly writeZeroesMayUnmap: number;
}

/** The sizes are all fields, those up to num_queues, those up to blk_size, and the capacity alone. */
export const blockConfigLayout: ConfigLayout<BlockConfig> = {
  sizes: [BLOCK_CONFIG_SIZE, 36, 24, 8],
  fields: {
    capacity: configField.u64(0),
    sizeMax: configField.u32(8),
    segMax: configField.u32(12),
    geometry: configField.group(16, 4, {
      cylinders: configField.u16(0),
      heads: configField.u8(2),
      sectors: configField.u8(3),
    }),
    blkSize: configField.u32(20),
    physicalBlockExp: configField.u8(24),
    alignmentOffset: configField.u8(25),
    minIoSize: configField.u16(26),
    optIoSize: configField.u32(28),
    wce: configField.u8(32),
    numQueues: configField.u16(34),
    maxDiscardSectors: configField.u32(36),
    maxDiscardSeg: configField.u32(40),
    discardSectorAlignment: configField.u32(44),
    maxWriteZeroesSectors: configField.u32(48),
    maxWriteZeroesSeg: configField.u32(52),
    writeZeroesMayUnmap: configField.u8(56),
  },
};

/** Decodes as many fields as `bytes` holds; missing ones are 0. */
export function decodeBlockConfig(bytes: Uint8Array): BlockConfig {
  return decodeConfig(blockConfigLayout, bytes);
}

/** Encodes the {@link BLOCK_CONFIG_SIZE} bytes of the configuration space. */
export function encodeBlockConfig(config: BlockConfig): Uint8Array {
  return encodeConfig(blockConfigLayout, config);
}
