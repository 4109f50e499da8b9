import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The persistent memory device (VIRTIO 5.19). */
export const pmemKind: DeviceKind = {
  name: "pmem",
  id: 27,
  features: [[0, "VIRTIO_PMEM_F_SHMEM_REGION", "the memory is shared memory region 0"]],
  config: {
    sizes: [16],
    fields: {
      start: configField.u64(0),
      size: configField.u64(8),
    },
  },
  queues: { once: ["req_vq"] },
  chains: {
    req_vq: {
      request: [{ name: "request", at: 0, bytes: 4, names: { 0: "FLUSH" } }],
      reply: [{ name: "status", at: 0, bytes: 4, names: { 0: "OK" } }],
      status: { field: "status", ok: [0] },
    },
  },
};
