import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand, strictOption, timeoutOption } from "../../options.ts";
import { parseDuration, parseInteger, parseSize } from "../../units.ts";

export function addMigrateCommand(program: Command, context: Context): void {
  const command = commonCommand("migrate")
    .description("move a block session to another back-end, while it writes and verifies")
    .argument("<source>", "path of the socket of the back-end that it begins on")
    .argument("<destination>", "path of the socket of the back-end that it goes on with")
    .option("--packed", "use packed rings where they are offered")
    .addOption(
      new Option("--workers <n>", "how many write at once")
        .default(4)
        .argParser(checked(parseInteger(1, 64))),
    )
    .addOption(
      new Option("--block-size <bytes>", "bytes of each write")
        .default(4096, "4K")
        .argParser(checked(parseSize)),
    )
    .addOption(
      new Option("--max-rounds <n>", "rounds over the memory before the rings are stopped")
        .default(8)
        .argParser(checked(parseInteger(1, 1000))),
    )
    .addOption(
      new Option("--seed <n>", "seed of the pattern; default random").argParser(
        checked(parseInteger(0, 2 ** 31 - 1)),
      ),
    )
    .option("--overwrite", "write over what is on the device")
    .option("--json", "print one JSON document")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addOption(
      new Option("--io-timeout <duration>", "how long one request may take")
        .default(30_000, "30s")
        .argParser(checked(parseDuration)),
    )
    .addHelpText(
      "after",
      "\nBoth back-ends have to serve the same image.\n\nExample:\n" +
        "  $ vhost-user serve block --socket source.sock --image disk.img &\n" +
        "  $ vhost-user serve block --socket destination.sock --image disk.img &\n" +
        "  $ vhost-user migrate source.sock destination.sock",
    );
  command.action(async (source, destination, options) => {
    const { runMigrate } = await import("./run.ts");
    await runMigrate(source, destination, options, context);
  });
  program.addCommand(command as unknown as Command);
}
