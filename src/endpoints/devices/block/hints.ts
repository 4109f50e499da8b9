import { VirtioFeature } from "../../../core/protocol/index.ts";
import { BlockFeature, SECTOR_SIZE } from "./layout.ts";

/** `queue-size` of QEMU's vhost-user-blk. */
const QEMU_RING_SIZE = 128;
/** Descriptors of a request besides its data: header and status. */
const FRAME_DESCRIPTORS = 2;

/** Returns what of a disk is within VIRTIO and surprises its users. */
export function blockHints(
  virtio: bigint,
  config: Readonly<Record<string, unknown>>,
): { readonly id: string; readonly text: string }[] {
  const { segMax, blkSize } = config;
  const has = (bit: bigint): boolean => (virtio & bit) !== 0n;
  const hints: { id: string; text: string }[] = [];
  if (!has(BlockFeature.SegMax)) {
    const text = "no VIRTIO_BLK_F_SEG_MAX: Linux sends requests of one segment, mostly 4 KiB";
    hints.push({ id: "no-seg-max", text });
  } else if (typeof segMax === "number" && !has(VirtioFeature.IndirectDesc)) {
    const longest = segMax + FRAME_DESCRIPTORS;
    const text = `a request may have ${longest} descriptors (seg_max ${segMax}), and no VIRTIO_RING_F_INDIRECT_DESC: it does not fit QEMU's ring of ${QEMU_RING_SIZE}`;
    if (longest > QEMU_RING_SIZE) hints.push({ id: "long-requests", text });
  }
  if (has(BlockFeature.BlockSize) && typeof blkSize === "number" && blkSize > SECTOR_SIZE) {
    const text = `blocks of ${blkSize} bytes: SeaBIOS boots from blocks of ${SECTOR_SIZE} bytes only, and a partition table made for those is not found`;
    hints.push({ id: "large-blocks", text });
  }
  return hints;
}
