import { counted } from "../../../core/base/index.ts";
import { LONG_HEADER_BYTES } from "../../../endpoints/devices/net/layout.ts";
import type { DeviceKit } from "../../conformance/kit/back-end/kit.ts";

/** Shortest Ethernet frame, without its check sum. */
export const FRAME_BYTES = 60;
/** IEEE 802: an EtherType for local experiments. Nobody answers it. */
export const ETHER_TYPE: readonly number[] = [0x88, 0xb5];

/** Transmits a broadcast frame that means nothing. */
export const netKit: DeviceKit = {
  type: "net",
  rings: [0, 1],
  ring: 1,
  requestRings: (pairs) => Array.from({ length: pairs }, (_, i) => 2 * i + 1),
  request(memory, scale = 1) {
    const bytes = new Uint8Array(LONG_HEADER_BYTES + FRAME_BYTES * scale);
    bytes.fill(0xff, LONG_HEADER_BYTES, LONG_HEADER_BYTES + 6);
    bytes.set([0x52, 0x54, 0, 0, 0, 1, ...ETHER_TYPE], LONG_HEADER_BYTES + 6);
    return {
      readable: [memory.holding(bytes)],
      writable: [],
      wrong: (written) =>
        written === 0 ? undefined : `${counted(written, "byte")} written to nothing`,
    };
  },
};
