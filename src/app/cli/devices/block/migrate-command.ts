import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  blockSizeOption,
  commonCommand,
  ioTimeoutOption,
  jsonOption,
  overwriteOption,
  packedOption,
  parseCount,
  seedOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";

export function addMigrateCommand(program: Command, context: Context): void {
  const command = commonCommand("migrate")
    .description("move a block session to another back-end, while it writes and verifies")
    .argument("<source>", "socket of the back-end that the session begins on")
    .argument("<destination>", "socket of the back-end that the session moves to")
    .addOption(packedOption)
    .addOption(
      new Option("--depth <number>", "requests in flight on each queue")
        .default(4)
        .argParser(parseCount(64)),
    )
    .addOption(blockSizeOption(4096, "4K"))
    .addOption(
      new Option("--max-rounds <number>", "rounds over the memory before the rings are stopped")
        .default(8)
        .argParser(parseCount(1000)),
    )
    .addOption(seedOption)
    .addOption(overwriteOption)
    .addOption(jsonOption)
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addOption(ioTimeoutOption)
    .addHelpText(
      "after",
      "\nBoth back-ends have to serve the same image.\n\nExample:\n" +
        "  $ vhost-user serve block --socket source.sock --image disk.img &\n" +
        "  $ vhost-user serve block --socket destination.sock --image disk.img &\n" +
        "  $ vhost-user migrate source.sock destination.sock",
    );
  command.action(async (source, destination, options) => {
    const { runMigrate } = await import("./migrate.ts");
    await runMigrate(source, destination, options, context);
  });
  program.addCommand(command);
}
