import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The SPI controller device (VIRTIO 1.4, 5.21). */
export const spiKind: DeviceKind = {
  name: "spi",
  id: 45,
  features: [],
  config: {
    sizes: [32],
    fields: {
      chipSelects: configField.u8(0),
      chipSelectChange: configField.u8(1),
      transmitLines: configField.u8(2),
      receiveLines: configField.u8(3),
      bitsPerWordMask: configField.u32(4),
      modes: configField.u32(8),
      maxFrequencyHz: configField.u32(12),
      maxWordDelayNs: configField.u32(16),
      maxSetupNs: configField.u32(20),
      maxHoldNs: configField.u32(24),
      maxInactiveNs: configField.u32(28),
    },
  },
  queues: { once: ["requestq"] },
  chains: {
    requestq: {
      request: [
        { name: "chipSelect", at: 0, bytes: 1 },
        { name: "bitsPerWord", at: 1, bytes: 1 },
      ],
      reply: [{ name: "result", at: -1, bytes: 1, names: { 0: "OK" } }],
      status: { field: "result", ok: [0] },
    },
  },
};
