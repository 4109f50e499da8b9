/**
 * Network device, VIRTIO 5.1: numbers and structures that driver and device share.
 *
 * Pair i has the rings 2i (receive: the device writes) and 2i + 1 (transmit: the device reads). A
 * packet is a header and then an Ethernet frame without its check sum:
 *
 * | off | size | field |
 * | --- | --- | --- |
 * | 0 | 1 | flags |
 * | 1 | 1 | gso_type |
 * | 2 | 2 | hdr_len |
 * | 4 | 2 | gso_size |
 * | 6 | 2 | csum_start |
 * | 8 | 2 | csum_offset |
 * | 10 | 2 | num_buffers, in the 12-byte form only |
 */
import { VirtioFeature } from "../../../core/protocol/index.ts";

/** Feature bits of the device (masks). */
export const NetFeature = {
  /** VIRTIO_NET_F_CSUM */
  Csum: 1n << 0n,
  /** VIRTIO_NET_F_GUEST_CSUM */
  GuestCsum: 1n << 1n,
  /** VIRTIO_NET_F_MTU */
  Mtu: 1n << 3n,
  /** VIRTIO_NET_F_MAC */
  Mac: 1n << 5n,
  /** VIRTIO_NET_F_MRG_RXBUF */
  MrgRxbuf: 1n << 15n,
  /** VIRTIO_NET_F_STATUS */
  Status: 1n << 16n,
  /** VIRTIO_NET_F_CTRL_VQ */
  CtrlVq: 1n << 17n,
  /** VIRTIO_NET_F_CTRL_RX */
  CtrlRx: 1n << 18n,
  /** VIRTIO_NET_F_CTRL_RX_EXTRA */
  CtrlRxExtra: 1n << 20n,
  /** VIRTIO_NET_F_MQ */
  Mq: 1n << 22n,
  /** VIRTIO_NET_F_CTRL_MAC_ADDR */
  CtrlMacAddr: 1n << 23n,
} as const;

/** Device features that the driver uses where they are offered. */
export const NET_DRIVER_FEATURES: bigint = NetFeature.MrgRxbuf | NetFeature.Mq;

/** Bits of the header's flags. */
export const NetHeaderFlag = {
  /** VIRTIO_NET_HDR_F_NEEDS_CSUM */
  NeedsCsum: 1,
  /** VIRTIO_NET_HDR_F_DATA_VALID */
  DataValid: 2,
} as const;

/** VIRTIO_NET_HDR_GSO_NONE: the packet is one frame. */
export const GSO_NONE = 0;
/** The form of a legacy driver that has not acknowledged VIRTIO_NET_F_MRG_RXBUF. */
export const SHORT_HEADER_BYTES = 10;
/** The form that ends with num_buffers. */
export const LONG_HEADER_BYTES = 12;
/** The offset of num_buffers. */
export const NUM_BUFFERS_OFFSET = 10;
/** Longest frame that passes: 64 KiB behind an Ethernet header of 14 bytes. */
export const MAX_FRAME_BYTES: number = 65_536 + 14;

/** Bytes in front of a frame, by the features that the driver acknowledged. */
export function netHeaderBytes(features: bigint): number {
  return (features & (VirtioFeature.Version1 | NetFeature.MrgRxbuf)) === 0n
    ? SHORT_HEADER_BYTES
    : LONG_HEADER_BYTES;
}

/** The receive ring of a pair. */
export function receiveRing(pair: number): number {
  return 2 * pair;
}

/** The transmit ring of a pair. */
export function transmitRing(pair: number): number {
  return 2 * pair + 1;
}
