import { counted } from "../../../core/base/index.ts";
import { LONG_HEADER_BYTES, NetFeature } from "../../../endpoints/devices/net/layout.ts";
import { NetDevice } from "../../../endpoints/devices/net/index.ts";
import { netKind } from "../../../endpoints/devices/net/kind.ts";
import type { Kit } from "../../conformance/kit/kit.ts";
import { net } from "./checks.ts";
import { ETHER_TYPE, FRAME_BYTES } from "./frames.ts";

/** The request transmits a broadcast frame of an experimental EtherType. */
export const netKit: Kit = {
  kind: netKind,
  rings: [0, 1],
  ring: 1,
  multiqueue: NetFeature.Mq,
  requestRings: (pairs) => Array.from({ length: pairs }, (_, i) => 2 * i + 1),
  request(memory, scale = 1) {
    const bytes = new Uint8Array(LONG_HEADER_BYTES + FRAME_BYTES * scale);
    bytes.fill(0xff, LONG_HEADER_BYTES, LONG_HEADER_BYTES + 6);
    bytes.set([0x52, 0x54, 0, 0, 0, 1, ...ETHER_TYPE], LONG_HEADER_BYTES + 6);
    return {
      readable: [memory.holding(bytes)],
      writable: [],
      wrong: (written) =>
        written === 0
          ? undefined
          : `${counted(written, "byte")} written, although no buffer is writable`,
    };
  },
  // VIRTIO 5.1.4
  config: { sizes: [12, 10, 8, 6], fields: [0, 6] },
  play: () => ({ device: () => new NetDevice({}), close: () => undefined }),
  checks: net,
};
