import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The IOMMU device (VIRTIO 5.13). */
export const iommuKind: DeviceKind = {
  name: "iommu",
  id: 23,
  features: [
    [0, "VIRTIO_IOMMU_F_INPUT_RANGE", "the configuration space has the range of addresses"],
    [1, "VIRTIO_IOMMU_F_DOMAIN_RANGE", "the configuration space has the range of domains"],
    [2, "VIRTIO_IOMMU_F_MAP_UNMAP", "mappings can be made and removed"],
    [3, "VIRTIO_IOMMU_F_BYPASS", "endpoints without a domain bypass translation"],
    [4, "VIRTIO_IOMMU_F_PROBE", "properties of endpoints can be queried"],
    [5, "VIRTIO_IOMMU_F_MMIO", "mappings of device memory can be marked"],
    [6, "VIRTIO_IOMMU_F_BYPASS_CONFIG", "bypass can be switched"],
  ],
  config: {
    sizes: [40, 36],
    fields: {
      pageSizeMask: configField.u64(0),
      inputRange: configField.group(8, 16, {
        start: configField.u64(0),
        end: configField.u64(8),
      }),
      domainRange: configField.group(24, 8, {
        start: configField.u32(0),
        end: configField.u32(4),
      }),
      probeSize: configField.u32(32),
      bypass: configField.u8(36),
    },
  },
  queues: { once: ["requestq", "eventq"] },
};
