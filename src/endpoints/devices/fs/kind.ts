import type { DeviceKind } from "../kind.ts";
import { fsConfigLayout } from "./config.ts";
import { fsType } from "./type.ts";

/** The file system device (VIRTIO 5.11). */
export const fsKind: DeviceKind = {
  ...fsType,
  id: 26,
  aliases: ["filesystem", "virtiofs"],
  config: fsConfigLayout,
  queues: { once: ["hiprio"], repeated: ["requestq"] },
  programs: ["virtiofsd"],
};
