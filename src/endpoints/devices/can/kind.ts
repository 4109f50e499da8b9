import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The CAN device. */
export const canKind: DeviceKind = {
  name: "can",
  id: 36,
  features: [],
  config: {
    sizes: [2],
    fields: {
      status: configField.u16(0),
    },
  },
  queues: { once: ["txq", "rxq", "controlq"] },
};
