import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { bareCommand, groupCommand } from "../../options.ts";
import { deviceCommands } from "../../devices/registry.ts";

export function addBackendCommand(program: Command, context: Context): void {
  const backend = groupCommand("backend").description(
    'be a back-end program as management layers start it ("Backend program conventions")',
  );
  for (const {
    kind: { name },
    program: own,
  } of deviceCommands) {
    if (own === undefined) continue;
    const command = bareCommand(name)
      .description(own.description)
      // Users know the program; `backend` is how it is started.
      .configureHelp({ commandUsage: () => `vhost-user-${name} [options]` })
      .option("--socket-path <path>", "path of the socket to listen on")
      .option("--fd <number>", "serve an inherited socket, listening or connected")
      .option("--socket-mode <mode>", "permissions of the socket, octal; default 0600")
      .option("--socket-group <group>", "group of the socket, a name or a number")
      .option("--pid-file <file>", "file with the pid; exists while front-ends are served")
      .option("--log-format <format>", "text, or json: one object a line, on standard error")
      .option("--print-capabilities", "print the options of this program's type, and end")
      // With --print-capabilities everything else is to be ignored.
      .allowUnknownOption()
      .allowExcessArguments();
    for (const { name: option, value, description } of own.options) {
      command.option(value === undefined ? `--${option}` : `--${option} <${value}>`, description);
    }
    command.action(async (options) => {
      const { runBackend } = await import("./run.ts");
      await runBackend(name, own, { ...options }, command.args, context);
    });
    backend.addCommand(command);
  }
  program.addCommand(backend);
}
