import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { deviceCommands } from "../../devices/registry.ts";
import { groupCommand } from "../../options.ts";

export async function backendCommand(context: Context): Promise<Command> {
  const backend = groupCommand("backend").description("measure our back-end under another's load");
  for (const { benchBackend: load } of deviceCommands) {
    if (load !== undefined) backend.addCommand((await load())(context));
  }
  return backend;
}
