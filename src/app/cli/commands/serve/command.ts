import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { deviceCommands } from "../../devices/registry.ts";
import { groupCommand } from "../../options.ts";

export async function addServeCommand(program: Command, context: Context): Promise<void> {
  const serve = groupCommand("serve").description(
    "be a back-end: what guests and other front-ends run on",
  );
  for (const { serve: load } of deviceCommands) {
    if (load !== undefined) serve.addCommand((await load())(context));
  }
  program.addCommand(serve);
}
