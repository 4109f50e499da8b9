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
      .option("--socket-path <path>", "path of the socket to listen on")
      .option("--fd <number>", "serve an inherited socket, listening or connected")
      .option("--socket-mode <mode>", "permissions of the socket, octal; default 0600")
      .option("--socket-group <group>", "group of the socket, a name or a number")
      .option("--pid-file <file>", "file with the pid; exists while front-ends are served")
      .option("--log-format <format>", "text, or json: one object a line, on standard error")
      .option("--print-capabilities", "print the options of this program's type, and end")
      .option("--blk-file <path>", "file with the disk's content (block)")
      .option("--read-only", "refuse writes (block)")
      .option("--shared-dir <path>", "shared folder (fs)")
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
