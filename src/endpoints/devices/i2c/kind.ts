import type { DeviceKind } from "../kind.ts";

/** The I2C adapter device (VIRTIO 5.16). */
export const i2cKind: DeviceKind = {
  name: "i2c",
  id: 34,
  features: [[0, "VIRTIO_I2C_F_ZERO_LENGTH_REQUEST", "transfers without data; mandatory"]],
  queues: { once: ["requestq"] },
};
