import { ProtocolFeature } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";
import { netConfigLayout } from "./config.ts";
import { netType } from "./type.ts";

/** Bits below 24 that no other device type defines: MRG_RXBUF and above. */
const OWN_BITS = 0xff_8000n;
const OWN_PROTOCOL_FEATURES = ProtocolFeature.Mtu | ProtocolFeature.Rarp;

/** The network device (VIRTIO 5.1). */
export const netKind: DeviceKind = {
  ...netType,
  id: 1,
  aliases: ["network"],
  config: netConfigLayout,
  queues: { repeated: ["receiveq", "transmitq"], last: ["controlq"], counted: "repetitions" },
  programs: ["passt"],
  recognizes: (virtio, protocol) =>
    (protocol & OWN_PROTOCOL_FEATURES) !== 0n || (virtio & OWN_BITS) !== 0n,
};
