import type { DeviceKind } from "../kind.ts";
import { cryptoConfigLayout } from "./config.ts";
import { cryptoType } from "./type.ts";

/** The crypto device (VIRTIO 5.9). */
export const cryptoKind: DeviceKind = {
  ...cryptoType,
  id: 20,
  config: cryptoConfigLayout,
  queues: { repeated: ["dataq"], last: ["controlq"] },
};
