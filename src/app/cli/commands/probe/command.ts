import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand, jsonOption, strictOption, timeoutOption } from "../../options.ts";

export function addProbeCommand(program: Command, context: Context): void {
  const command = commonCommand("probe")
    .description("show which program listens on a socket and what it offers; starts nothing")
    .argument("<socket>", "path of a listening Unix socket")
    .addOption(
      new Option(
        "--device <type|module>",
        "device type of the target; or a module whose default export is a kit; default: inferred from its offer",
      ),
    )
    .option("--explain", "print one line about each feature bit")
    .addOption(jsonOption)
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addHelpText("after", "\nExample:\n  $ vhost-user probe /run/disk.sock --explain");
  command.action(async (socket, options) => {
    const { runProbe } = await import("./run.ts");
    await runProbe(socket, options, context);
  });
  program.addCommand(command);
}
