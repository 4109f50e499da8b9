/** Bytes of the shortest Ethernet frame, without its check sum. */
export const FRAME_BYTES = 60;
/** An EtherType for local experiments (IEEE 802), which no station answers. */
export const ETHER_TYPE: readonly number[] = [0x88, 0xb5];
