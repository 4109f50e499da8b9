import type { DeviceKind } from "../kind.ts";

const COMMANDS = { 1: "OPEN", 2: "CLOSE", 3: "IOCTL", 4: "MMAP", 5: "MUNMAP" };

/** The media device (VIRTIO 1.4, 5.22). */
export const mediaKind: DeviceKind = {
  name: "media",
  id: 48,
  features: [],
  queues: { once: ["commandq", "eventq"] },
  chains: {
    commandq: {
      request: [
        { name: "command", at: 0, bytes: 4, names: COMMANDS },
        { name: "session", at: 8, bytes: 4 },
      ],
      reply: [{ name: "status", at: 0, bytes: 4, names: { 0: "OK" } }],
      status: { field: "status", ok: [0] },
    },
    eventq: {
      reply: [{ name: "event", at: 0, bytes: 4, names: { 0: "ERROR", 1: "DQBUF", 2: "EVENT" } }],
    },
  },
};
