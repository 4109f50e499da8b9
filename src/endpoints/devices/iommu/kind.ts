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
  queues: { once: ["requestq", "eventq"] },
};
