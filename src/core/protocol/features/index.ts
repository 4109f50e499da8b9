import type { DeviceName } from "../device-types.ts";
import type { FeatureRow } from "../feature-table.ts";
import { netFeatures } from "./net.ts";
import * as other from "./other.ts";
import * as storage from "./storage.ts";

/** Feature bits that belong to one device type; types without an entry define none. */
export const deviceFeatureRows: Partial<Record<DeviceName, readonly FeatureRow[]>> = {
  net: netFeatures,
  block: storage.blockFeatures,
  scsi: storage.scsiFeatures,
  fs: storage.fsFeatures,
  pmem: storage.pmemFeatures,
  "9p": storage.plan9Features,
  console: other.consoleFeatures,
  balloon: other.balloonFeatures,
  gpu: other.gpuFeatures,
  vsock: other.vsockFeatures,
  crypto: other.cryptoFeatures,
  sound: other.soundFeatures,
  scmi: other.scmiFeatures,
  i2c: other.i2cFeatures,
  gpio: other.gpioFeatures,
  rtc: other.rtcFeatures,
  iommu: other.iommuFeatures,
  mem: other.memFeatures,
  bluetooth: other.bluetoothFeatures,
};
