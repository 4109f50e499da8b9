import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { deviceCommands } from "../../devices/registry.ts";
import { groupCommand } from "../../options.ts";

export async function addIoCommand(program: Command, context: Context): Promise<void> {
  const io = groupCommand("io").description("do I/O by hand: the client, with no virtual machine");
  for (const { io: load } of deviceCommands) {
    if (load !== undefined) io.addCommand((await load())(context));
  }
  program.addCommand(io);
}
