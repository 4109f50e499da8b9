import type { AddCommand } from "./device-commands.ts";
import { deviceCommands } from "./registry.ts";

/** Loads a command of the first level that a device type brings. */
export async function ownCommand(name: string): Promise<AddCommand> {
  const load = deviceCommands.flatMap(({ own = {} }) => own[name] ?? []).at(0);
  if (load === undefined) throw new TypeError(`no device type has the command ${name}`);
  return load();
}
