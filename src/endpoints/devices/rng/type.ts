import type { DeviceType } from "../../../core/protocol/index.ts";

/** The name of the entropy device, which has no feature bits (VIRTIO 5.4.3). */
export const rngType: DeviceType = { name: "rng", features: [] };
