import type { ChainField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const TYPES = { 0: "SYN", 1: "KEY", 2: "REL", 3: "ABS", 4: "MSC", 5: "SW", 17: "LED", 20: "REP" };
const EVENT: readonly ChainField[] = [
  { name: "type", at: 0, bytes: 2, names: TYPES },
  { name: "code", at: 2, bytes: 2 },
  { name: "value", at: 4, bytes: 4 },
];

/** The input device (VIRTIO 5.8). */
export const inputKind: DeviceKind = {
  name: "input",
  id: 18,
  features: [],
  queues: { once: ["eventq", "statusq"] },
  chains: { eventq: { reply: EVENT }, statusq: { request: EVENT } },
};
