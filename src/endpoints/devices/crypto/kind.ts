import type { DeviceKind } from "../kind.ts";
import { cryptoConfigLayout } from "./config.ts";
import { cryptoType } from "./type.ts";

const STATUS = { 0: "OK", 1: "ERR", 2: "BADMSG", 3: "NOTSUPP", 4: "INVSESS", 5: "NOSPC" };

/** The crypto device (VIRTIO 5.9). */
export const cryptoKind: DeviceKind = {
  ...cryptoType,
  id: 20,
  config: cryptoConfigLayout,
  queues: { repeated: ["dataq"], last: ["controlq"] },
  chains: {
    dataq: {
      request: [
        { name: "opcode", at: 0, bytes: 4, hex: true },
        { name: "session", at: 8, bytes: 8 },
      ],
      reply: [{ name: "status", at: -1, bytes: 1, names: STATUS }],
      status: { field: "status", ok: [0] },
    },
  },
};
