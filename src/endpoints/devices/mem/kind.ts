import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const REQUESTS = { 0: "PLUG", 1: "UNPLUG", 2: "UNPLUG_ALL", 3: "STATE" };
const RESPONSES = { 0: "ACK", 1: "NACK", 2: "BUSY", 3: "ERROR" };

/** The memory device (VIRTIO 5.15). */
export const memKind: DeviceKind = {
  name: "mem",
  id: 24,
  features: [
    [0, "VIRTIO_MEM_F_ACPI_PXM", "the configuration space has the NUMA node"],
    [1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE", "unplugged memory must not be touched"],
    [2, "VIRTIO_MEM_F_PERSISTENT_SUSPEND", "the guest may suspend while memory is plugged"],
  ],
  config: {
    sizes: [56],
    fields: {
      blockSize: configField.u64(0),
      nodeId: configField.u16(8),
      address: configField.u64(16),
      regionSize: configField.u64(24),
      usableRegionSize: configField.u64(32),
      pluggedSize: configField.u64(40),
      requestedSize: configField.u64(48),
    },
  },
  queues: { once: ["guest-request"] },
  chains: {
    "guest-request": {
      request: [
        { name: "request", at: 0, bytes: 2, names: REQUESTS },
        { name: "address", at: 8, bytes: 8, hex: true },
        { name: "blocks", at: 16, bytes: 2 },
      ],
      reply: [{ name: "response", at: 0, bytes: 2, names: RESPONSES }],
      status: { field: "response", ok: [0] },
    },
  },
};
