import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand, jsonOption } from "../../options.ts";

export function addCheckCommand(program: Command, context: Context): void {
  const command = commonCommand("check")
    .description(
      "print what is installed and usable on this machine, and how to install what is missing",
    )
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExit codes: 0 everything that is required is there, 1 something is missing.\n" +
        "\nExample:\n  $ vhost-user check",
    );
  command.action(async (options) => {
    const { runCheck } = await import("./run.ts");
    await runCheck(options, context);
  });
  program.addCommand(command);
}
