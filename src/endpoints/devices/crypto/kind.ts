import type { DeviceClass, DeviceKind } from "../kind.ts";
import { cryptoConfigLayout } from "./config.ts";
import type { CryptoDeviceOptions } from "./device/device.ts";
import { cryptoType } from "./type.ts";

/** The crypto device (VIRTIO 5.9). */
export const cryptoKind = {
  ...cryptoType,
  id: 20,
  config: cryptoConfigLayout,
  queues: { repeated: ["dataq"], last: ["controlq"] },
  device: async (): Promise<DeviceClass<CryptoDeviceOptions>> =>
    (await import("./device/device.ts")).CryptoDevice,
} satisfies DeviceKind;
