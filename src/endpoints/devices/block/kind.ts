import { ProtocolFeature } from "../../../core/protocol/index.ts";
import { describeBlockChain } from "./chain.ts";
import type { DeviceKind } from "../kind.ts";
import { BLOCK_CONFIG_SIZE, blockConfigLayout } from "./config.ts";
import { blockHints } from "./hints.ts";
import { BlockFeature } from "./layout.ts";
import { blockType } from "./type.ts";

/** The bits that a back-end may offer: all except those of legacy devices. */
const OFFERED_BITS = 0x3_fe76n;
/** Some of them are in the offer of every block device. */
const TYPICAL_BITS = BlockFeature.SegMax | BlockFeature.BlockSize | BlockFeature.Flush;
/** End of write_zeroes_may_unmap in the configuration space. */
const WRITE_ZEROES_END = 57;
/** Bits 0 to 23 belong to the device type. */
const DEVICE_BITS = (1n << 24n) - 1n;

/** The block device (VIRTIO 5.2). */
export const blockKind: DeviceKind = {
  ...blockType,
  id: 2,
  aliases: ["blk"],
  config: blockConfigLayout,
  queues: { repeated: ["requestq"] },
  programs: ["vhost-user-blk"],
  queuePerProcessor: true,
  hints: blockHints,
  recognizes(virtio, protocol) {
    const bits = virtio & DEVICE_BITS;
    const hasConfig = (protocol & ProtocolFeature.Config) !== 0n;
    return hasConfig && (bits & ~OFFERED_BITS) === 0n && (bits & TYPICAL_BITS) !== 0n;
  },
  // QEMU, rust-vmm and libblkio read the space up to its write zeroes fields or all of it.
  recognizesFrontend: ({ configEnd }) =>
    configEnd >= WRITE_ZEROES_END && configEnd <= BLOCK_CONFIG_SIZE ? "surely" : "no",
  describeChain: describeBlockChain,
};
