import { ProtocolFeature } from "../../../core/protocol/index.ts";
import { describeNetChain } from "./chain.ts";
import type { DeviceKind } from "../kind.ts";
import { netConfigLayout } from "./config.ts";
import { netType } from "./type.ts";

/** Bits below 24 that no other device type defines: CTRL_RX and above. */
const OWN_BITS = 0xfc_0000n;
/** MRG_RXBUF, STATUS and CTRL_VQ: of a disk, these are LIFETIME, SECURE_ERASE and ZONED. */
const SHARED_BITS = 0x3_8000n;
/** SEG_MAX, BLK_SIZE or FLUSH of a disk that offers those; of a network card, these bits need {@link CARD_BITS}. */
const DISK_BITS = 0x244n;
/** Bits that no modern disk offers: CSUM, MTU, GUEST_TSO4 and GUEST_TSO6. */
const CARD_BITS = 0x189n;
const OWN_PROTOCOL_FEATURES = ProtocolFeature.Mtu | ProtocolFeature.Rarp;

/** Bytes, with all fields. */
const MAX_CONFIG_SIZE = Math.max(...netConfigLayout.sizes);

/** The network device (VIRTIO 5.1). */
export const netKind: DeviceKind = {
  ...netType,
  id: 1,
  aliases: ["network"],
  config: netConfigLayout,
  queues: { repeated: ["receiveq", "transmitq"], last: ["controlq"], counted: "repetitions" },
  programs: ["passt"],
  recognizes(virtio, protocol) {
    if ((protocol & OWN_PROTOCOL_FEATURES) !== 0n || (virtio & OWN_BITS) !== 0n) return true;
    // A disk has a configuration space.
    const isDisk =
      (protocol & ProtocolFeature.Config) !== 0n &&
      (virtio & DISK_BITS) !== 0n &&
      (virtio & CARD_BITS) === 0n;
    return (virtio & SHARED_BITS) !== 0n && !isDisk;
  },
  recognizesFrontend({ features, protocol, rings, configEnd, enablesEarly }) {
    const isSmall = configEnd <= MAX_CONFIG_SIZE;
    const bits = OWN_BITS | (isSmall && rings >= 2 ? SHARED_BITS : 0n);
    const own = (protocol & OWN_PROTOCOL_FEATURES) !== 0n || (features & bits) !== 0n;
    if (own || enablesEarly) return "surely";
    return rings >= 2 && features !== 0n && isSmall ? "perhaps" : "no";
  },
  describeChain: describeNetChain,
};
