import type { DeviceKind } from "../kind.ts";

/** The SPI controller device. */
export const spiKind: DeviceKind = {
  name: "spi",
  id: 45,
  features: [],
  queues: { once: ["requestq"] },
};
