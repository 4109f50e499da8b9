import { cryptoFeatures } from "../../../core/protocol/features/other.ts";
import type { DeviceClass, DeviceKind } from "../kind.ts";
import { cryptoConfigLayout } from "./config.ts";
import type { CryptoDeviceOptions } from "./device/device.ts";

/** The crypto device (VIRTIO 5.9). */
export const cryptoKind = {
  name: "crypto",
  id: 20,
  features: cryptoFeatures,
  config: cryptoConfigLayout,
  queues: { repeated: ["dataq"], last: ["controlq"] },
  device: async (): Promise<DeviceClass<CryptoDeviceOptions>> =>
    (await import("./device/device.ts")).CryptoDevice,
} satisfies DeviceKind;
