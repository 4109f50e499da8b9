/**
 * Configuration space of the block device, VIRTIO 5.2.4. Little-endian:
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
/** Sizes that back-ends give, largest first: with num_queues, without topology, the capacity. */
export const BLOCK_CONFIG_SIZES: readonly number[] = [BLOCK_CONFIG_SIZE, 36, 24, 8];

/** Fields behind the end of what the device gave are 0. */
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
  /** Bytes. */
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

/** Reads as many fields as `bytes` holds. */
export function decodeBlockConfig(bytes: Uint8Array): BlockConfig {
  const whole = new Uint8Array(BLOCK_CONFIG_SIZE);
  whole.set(bytes.subarray(0, BLOCK_CONFIG_SIZE));
  const view = new DataView(whole.buffer);
  const u8 = (at: number): number => view.getUint8(at);
  const u16 = (at: number): number => view.getUint16(at, true);
  const u32 = (at: number): number => view.getUint32(at, true);
  return {
    capacity: view.getBigUint64(0, true),
    sizeMax: u32(8),
    segMax: u32(12),
    geometry: { cylinders: u16(16), heads: u8(18), sectors: u8(19) },
    blkSize: u32(20),
    physicalBlockExp: u8(24),
    alignmentOffset: u8(25),
    minIoSize: u16(26),
    optIoSize: u32(28),
    wce: u8(32),
    numQueues: u16(34),
    maxDiscardSectors: u32(36),
    maxDiscardSeg: u32(40),
    discardSectorAlignment: u32(44),
    maxWriteZeroesSectors: u32(48),
    maxWriteZeroesSeg: u32(52),
    writeZeroesMayUnmap: u8(56),
  };
}

/** The {@link BLOCK_CONFIG_SIZE} bytes of a configuration space. */
export function encodeBlockConfig(config: BlockConfig): Uint8Array {
  const bytes = new Uint8Array(BLOCK_CONFIG_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, config.capacity, true);
  view.setUint32(8, config.sizeMax, true);
  view.setUint32(12, config.segMax, true);
  view.setUint16(16, config.geometry.cylinders, true);
  view.setUint8(18, config.geometry.heads);
  view.setUint8(19, config.geometry.sectors);
  view.setUint32(20, config.blkSize, true);
  view.setUint8(24, config.physicalBlockExp);
  view.setUint8(25, config.alignmentOffset);
  view.setUint16(26, config.minIoSize, true);
  view.setUint32(28, config.optIoSize, true);
  view.setUint8(32, config.wce);
  view.setUint16(34, config.numQueues, true);
  view.setUint32(36, config.maxDiscardSectors, true);
  view.setUint32(40, config.maxDiscardSeg, true);
  view.setUint32(44, config.discardSectorAlignment, true);
  view.setUint32(48, config.maxWriteZeroesSectors, true);
  view.setUint32(52, config.maxWriteZeroesSeg, true);
  view.setUint8(56, config.writeZeroesMayUnmap);
  return bytes;
}
