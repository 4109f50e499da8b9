import type { DeviceClass, DeviceKind, DriverSide } from "../kind.ts";
import { fsConfigLayout } from "./config.ts";
import type { FsDeviceOptions } from "./device/device.ts";
import type { FsDriver, FsDriverOptions } from "./driver/driver.ts";
import { fsType } from "./type.ts";

const driver: DriverSide<FsDriver, FsDriverOptions> = {
  features: 0n,
  start: async (client, options) =>
    (await import("./driver/driver.ts")).FsDriver.start(client, options),
};

/** The file system device (VIRTIO 5.11). */
export const fsKind = {
  ...fsType,
  id: 26,
  aliases: ["filesystem", "virtiofs"],
  config: fsConfigLayout,
  queues: { once: ["hiprio"], repeated: ["requestq"] },
  programs: ["virtiofsd"],
  driver,
  device: async (): Promise<DeviceClass<FsDeviceOptions>> =>
    (await import("./device/device.ts")).FsDevice,
} satisfies DeviceKind;
