import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand, jsonOption } from "../../options.ts";
import { parseSize } from "../../units.ts";

export function addDemoCommand(program: Command, context: Context): void {
  const command = commonCommand("demo")
    .description(
      "start the built-in block back-end, write and verify data on it, and print the results",
    )
    .option("--size <bytes>", "size of the disk in memory; default 64M", checked(parseSize))
    .addOption(jsonOption);
  command.action(async (options) => {
    const { runDemo } = await import("./demo.ts");
    await runDemo(options, context);
  });
  program.addCommand(command);
}
