import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import { LONG_HEADER_BYTES, NetFeature } from "../../../endpoints/devices/net/layout.ts";
import { NetDevice } from "../../../endpoints/devices/net/index.ts";
import { netKind } from "../../../endpoints/devices/net/kind.ts";
import type { Kit } from "../../conformance/kit/kit.ts";
import { net } from "./checks.ts";
import { ETHER_TYPE, FRAME_BYTES } from "./frames.ts";
import { netPairs } from "./pairs.ts";
import { netStops } from "./stops.ts";

const { NetSetMtu, SendRarp } = FrontendRequest;
const { Mtu, Rarp } = ProtocolFeature;
/** A locally administered address, first byte lowest. */
const MAC = 0x0100_0000_5452n;

/** VIRTIO 5.1.3.1 */
const DEPENDENCIES: readonly (readonly [bit: number, oneOf: readonly number[]])[] = [
  ...[7, 8, 10, 54, 55].map((number) => [number, [1]] as const),
  ...[11, 12, 14, 56].map((number) => [number, [0]] as const),
  [9, [7, 8]],
  [13, [11, 12]],
];

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
  dependencies: DEPENDENCIES,
  requests: [
    { request: SendRarp, protocol: Rarp, virtio: 0n, payload: MAC },
    { request: NetSetMtu, protocol: Mtu, virtio: NetFeature.Mtu, payload: 1500n },
  ],
  // QEMU adds each region once for every pair of queues.
  repeatsRegions: true,
  // VIRTIO 5.1.4
  config: { sizes: [12, 10, 8, 6], fields: [0, 6], structureBytes: 24 },
  play: () => ({ device: () => new NetDevice({}), close: () => undefined }),
  checks: [...net, ...netPairs, ...netStops],
};
