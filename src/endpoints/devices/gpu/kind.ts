import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The GPU device (VIRTIO 5.7). */
export const gpuKind: DeviceKind = {
  name: "gpu",
  id: 16,
  features: [
    [0, "VIRTIO_GPU_F_VIRGL", "3D commands"],
    [1, "VIRTIO_GPU_F_EDID", "displays describe themselves"],
    [2, "VIRTIO_GPU_F_RESOURCE_UUID", "resources can be exported by UUID"],
    [3, "VIRTIO_GPU_F_RESOURCE_BLOB", "resources can be plain memory"],
    [4, "VIRTIO_GPU_F_CONTEXT_INIT", "contexts have types and timelines"],
  ],
  config: {
    sizes: [16],
    fields: {
      eventsRead: configField.u32(0),
      eventsClear: configField.u32(4),
      numScanouts: configField.u32(8),
      numCapsets: configField.u32(12),
    },
  },
  queues: { once: ["controlq", "cursorq"] },
};
