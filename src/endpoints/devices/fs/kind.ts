import { describeFsChain } from "./chain.ts";
import type { DeviceKind } from "../kind.ts";
import { FsFeature } from "./layout.ts";
import { decodeFsConfig, encodeFsConfig, FS_CONFIG_SIZE, fsConfigLayout } from "./config.ts";
import { fsType } from "./type.ts";

/** More request queues than any back-end has. */
const MOST_QUEUES = 1024;

/** The file system device (VIRTIO 5.11). */
export const fsKind: DeviceKind = {
  ...fsType,
  id: 26,
  aliases: ["filesystem", "virtiofs"],
  config: fsConfigLayout,
  queues: { once: ["hiprio"], repeated: ["requestq"] },
  programs: ["virtiofsd"],
  // A tag in words, padded with NUL, and a number of queues.
  recognizesConfig(bytes) {
    if (bytes.length < FS_CONFIG_SIZE) return false;
    const config = decodeFsConfig(bytes);
    const { tag, numRequestQueues } = config;
    if (!/^\P{Cc}+$/u.test(tag) || numRequestQueues < 1 || numRequestQueues > MOST_QUEUES) {
      return false;
    }
    return Buffer.compare(encodeFsConfig(config), bytes.subarray(0, FS_CONFIG_SIZE)) === 0;
  },
  // The two queues of every mount; QEMU has the configuration space itself.
  recognizesFrontend({ features, rings, configEnd, enablesEarly }) {
    const foreign = (features & ~FsFeature.Notification) !== 0n;
    if (rings !== 2 || foreign || enablesEarly) return "no";
    if (fsConfigLayout.sizes.includes(configEnd)) return "surely";
    return configEnd === 0 ? "perhaps" : "no";
  },
  describeChain: describeFsChain,
};
