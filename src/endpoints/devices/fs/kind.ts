import { describeFsChain } from "./chain.ts";
import type { DeviceKind } from "../kind.ts";
import { FsFeature } from "./layout.ts";
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
  // The two queues of every mount; QEMU has the configuration space itself.
  recognizesFrontend({ features, rings, configEnd, enablesEarly }) {
    const foreign = (features & ~FsFeature.Notification) !== 0n;
    if (rings !== 2 || foreign || enablesEarly) return "no";
    if (fsConfigLayout.sizes.includes(configEnd)) return "surely";
    return configEnd === 0 ? "perhaps" : "no";
  },
  describeChain: describeFsChain,
};
