import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { bareCommand, groupCommand } from "../../options.ts";
import type { BackendType } from "./run.ts";

/** What a program of each type can be told besides its socket, as `--print-capabilities` has it. */
const types: readonly { readonly name: BackendType; readonly description: string }[] = [
  { name: "block", description: "a block device over an image file" },
  { name: "net", description: "a network device with one station behind it" },
  { name: "fs", description: "a file system over a folder, read-only" },
];

export function addBackendCommand(program: Command, context: Context): void {
  const backend = groupCommand("backend").description(
    'be a back-end program as management layers start it ("Backend program conventions")',
  );
  for (const { name, description } of types) {
    const command = bareCommand(name)
      .description(description)
      .option("--socket-path <path>", "listen here")
      .option("--fd <number>", "an inherited socket, listening or connected")
      .option("--socket-mode <mode>", "of --socket-path, octal; default 0600")
      .option("--socket-group <group>", "of --socket-path, a name or a number")
      .option("--pid-file <file>", "write the pid to this file while front-ends are served")
      .option("--log-format <format>", "text, or json: one object a line, on standard error")
      .option("--print-capabilities", "print what this program can be told, and end")
      .option("--blk-file <path>", "block: what the disk holds")
      .option("--read-only", "block: refuse writes")
      .option("--shared-dir <path>", "fs: what is shared")
      // With --print-capabilities everything else is to be ignored.
      .allowUnknownOption()
      .allowExcessArguments();
    command.action(async (options) => {
      const { runBackend } = await import("./run.ts");
      await runBackend(name, options, command.args, context);
    });
    backend.addCommand(command as unknown as Command);
  }
  program.addCommand(backend as unknown as Command);
}
