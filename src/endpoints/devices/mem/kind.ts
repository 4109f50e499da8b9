import type { DeviceKind } from "../kind.ts";

/** The memory device (VIRTIO 5.15). */
export const memKind: DeviceKind = {
  name: "mem",
  id: 24,
  features: [
    [0, "VIRTIO_MEM_F_ACPI_PXM", "the configuration space has the NUMA node"],
    [1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE", "unplugged memory must not be touched"],
  ],
  queues: { once: ["guest-request"] },
};
