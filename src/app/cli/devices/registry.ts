/** The device types that the command line serves or drives, one line each, in the order of the help. */
import { blockCommands } from "./block/commands.ts";
import type { DeviceCommands } from "./device-commands.ts";
import { fsCommands } from "./fs/commands.ts";
import { netCommands } from "./net/commands.ts";
import { rngCommands } from "./rng.ts";

export const deviceCommands: readonly DeviceCommands[] = [
  blockCommands,
  netCommands,
  fsCommands,
  rngCommands,
];
