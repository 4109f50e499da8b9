import { rngKind } from "../../../../endpoints/devices/rng/kind.ts";
import type { DeviceCommands } from "../device-commands.ts";

/** The commands of entropy devices. */
export const rngCommands: DeviceCommands = {
  kind: rngKind,
  serve: async () => (await import("./serve-command.ts")).serveRngCommand,
  io: async () => (await import("./io-command.ts")).ioRngCommand,
};
