import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The sound device (VIRTIO 5.14). */
export const soundKind: DeviceKind = {
  name: "sound",
  id: 25,
  aliases: ["snd"],
  features: [[0, "VIRTIO_SND_F_CTLS", "the device has control elements"]],
  config: {
    sizes: [16, 12],
    fields: {
      jacks: configField.u32(0),
      streams: configField.u32(4),
      channelMaps: configField.u32(8),
      controls: configField.u32(12),
    },
  },
  queues: { once: ["controlq", "eventq", "txq", "rxq"] },
};
