import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const REQUESTS = { 1: "ATTACH", 2: "DETACH", 3: "MAP", 4: "UNMAP", 5: "PROBE" };
const STATUS = {
  0: "OK",
  1: "IOERR",
  2: "UNSUPP",
  3: "DEVERR",
  4: "INVAL",
  5: "RANGE",
  6: "NOENT",
  7: "FAULT",
  8: "NOMEM",
};

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
  chains: {
    requestq: {
      request: [
        { name: "request", at: 0, bytes: 1, names: REQUESTS },
        { name: "domain", at: 4, bytes: 4 },
      ],
      reply: [{ name: "status", at: -4, bytes: 1, names: STATUS }],
      status: { field: "status", ok: [0] },
    },
    eventq: { reply: [{ name: "reason", at: 0, bytes: 1 }] },
  },
};
