import { netKind } from "../../../../endpoints/devices/net/kind.ts";
import type { DeviceCommands } from "../device-commands.ts";

/** The commands for network devices. */
export const netCommands: DeviceCommands = {
  kind: netKind,
  serve: async () => (await import("./serve-command.ts")).serveNetCommand,
  io: async () => (await import("./io-command.ts")).ioNetCommand,
  bench: async () => (await import("./bench-command.ts")).benchNetCommand,
  benchBackend: async () => (await import("./bench-command.ts")).benchNetBackendCommand,
  program: {
    description: "a network device with one station behind it",
    options: [],
    async run(common, _values, context) {
      const { serveNet } = await import("./serve.ts");
      const station = { mac: "52:54:00:00:00:01", address: "10.0.2.1/24", frameSize: 64 };
      const rings = { queues: 1, ringMode: "event" } as const;
      await serveNet({ ...common, ...station, ...rings, traffic: "respond" }, context);
    },
  },
};
