import { ProtocolFeature } from "../../../core/protocol/index.ts";
import type { DeviceClass, DeviceKind, DriverSide } from "../kind.ts";
import { netConfigLayout } from "./config.ts";
import type { NetDeviceOptions } from "./device/device.ts";
import type { NetDriver, NetDriverOptions } from "./driver/driver.ts";
import { NET_DRIVER_FEATURES } from "./layout.ts";
import { netType } from "./type.ts";

/** Bits below 24 that no other device type defines: MRG_RXBUF and above. */
const OWN_BITS = 0xff_8000n;
const OWN_PROTOCOL_FEATURES = ProtocolFeature.Mtu | ProtocolFeature.Rarp;

const driver: DriverSide<NetDriver, NetDriverOptions> = {
  features: NET_DRIVER_FEATURES,
  start: async (client, options) =>
    (await import("./driver/driver.ts")).NetDriver.start(client, options),
};

/** The network device (VIRTIO 5.1). */
export const netKind = {
  ...netType,
  id: 1,
  aliases: ["network"],
  config: netConfigLayout,
  queues: { repeated: ["receiveq", "transmitq"], last: ["controlq"], counted: "repetitions" },
  programs: ["passt"],
  recognizes: (virtio, protocol) =>
    (protocol & OWN_PROTOCOL_FEATURES) !== 0n || (virtio & OWN_BITS) !== 0n,
  driver,
  device: async (): Promise<DeviceClass<NetDeviceOptions>> =>
    (await import("./device/device.ts")).NetDevice,
} satisfies DeviceKind;
