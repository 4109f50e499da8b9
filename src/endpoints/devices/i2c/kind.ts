import type { DeviceKind } from "../kind.ts";

/** The I2C adapter device (VIRTIO 5.16). */
export const i2cKind: DeviceKind = {
  name: "i2c",
  id: 34,
  features: [[0, "VIRTIO_I2C_F_ZERO_LENGTH_REQUEST", "transfers without data; mandatory"]],
  queues: { once: ["requestq"] },
  chains: {
    requestq: {
      request: [
        { name: "address", at: 0, bytes: 2, hex: true },
        { name: "flags", at: 4, bytes: 4, hex: true },
      ],
      reply: [{ name: "status", at: -1, bytes: 1, names: { 0: "OK", 1: "ERR" } }],
      status: { field: "status", ok: [0] },
    },
  },
};
