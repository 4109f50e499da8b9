import type { DeviceKind } from "vhost-user";
import { EntropyDevice, entropyType } from "./device.ts";
import { EntropyDriver } from "./driver.ts";

/** The entropy device (VIRTIO 5.4): one queue, no feature bits, no configuration space. */
export const entropyKind: DeviceKind = {
  ...entropyType,
  id: 4,
  queues: { once: ["requestq"] },
  driver: { features: 0n, start: EntropyDriver.start },
  device: async () => EntropyDevice,
};
