import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The SCSI host device (VIRTIO 5.6). */
export const scsiKind: DeviceKind = {
  name: "scsi",
  id: 8,
  features: [
    [0, "VIRTIO_SCSI_F_INOUT", "a request may carry data in both directions"],
    [1, "VIRTIO_SCSI_F_HOTPLUG", "targets and units may come and go"],
    [2, "VIRTIO_SCSI_F_CHANGE", "changes of a unit's parameters are reported"],
    [3, "VIRTIO_SCSI_F_T10_PI", "requests may carry protection information"],
  ],
  config: {
    sizes: [36],
    fields: {
      numQueues: configField.u32(0),
      segMax: configField.u32(4),
      maxSectors: configField.u32(8),
      commandsPerUnit: configField.u32(12),
      eventInfoSize: configField.u32(16),
      senseSize: configField.u32(20),
      commandSize: configField.u32(24),
      maxChannel: configField.u16(28),
      maxTarget: configField.u16(30),
      maxUnit: configField.u32(32),
    },
  },
  queues: { once: ["controlq", "eventq"], repeated: ["requestq"] },
  queuePerProcessor: true,
};
