import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  execOption,
  jsonOption,
  overwriteOption,
  timeoutOption,
} from "../../options.ts";
import { parseDuration, parseInteger } from "../../units.ts";

const count = (most: number) => checked(parseInteger(1, most));

const HELP = `
Without SOCKET and --exec the built-in back-end is under stress. In each round many clients write, read
back and compare while stalled clients do not read the replies to their requests; connections open and
close without a message; clients are killed in the middle of a message and of I/O; then all compare again. It fails when
a request fails, when data differs, and when descriptors, mappings or resident memory of the back-end
or of the clients keep growing.

The first 16 KiB of the disk for each client, and 16 KiB more, are written over.

Back-ends that serve one session at a time, qemu-storage-daemon among them, need --clients 1.

Examples:
  $ vhost-user stress --runtime 8h --clients 100
  $ vhost-user stress --runtime 10m --clients 1 --exec 'qemu-storage-daemon … {socket} …'`;

export function addStressCommand(program: Command, context: Context): void {
  const command = commonCommand("stress")
    .description(
      "run clients, connection storms, kills and slow readers against a block back-end, for hours",
    )
    .argument("[socket]", "path of a listening block back-end")
    .addOption(execOption)
    .addOption(
      new Option("--runtime <duration>", "how long to run; the current round is finished")
        .default(60_000, "1m")
        .argParser(checked(parseDuration)),
    )
    .option(
      "--rounds <number>",
      "how many rounds to run; instead of --runtime",
      count(1_000_000_000),
    )
    .addOption(
      new Option("--clients <number>", "clients at once").default(16, "16").argParser(count(1000)),
    )
    .addOption(overwriteOption)
    .addOption(jsonOption)
    .addOption(timeoutOption)
    .addOption(
      new Option("--io-timeout <duration>", "how long one request may take")
        .default(60_000, "1m")
        .argParser(checked(parseDuration)),
    )
    .addHelpText("after", HELP);
  command.action(async (socket, options) => {
    const { runStress } = await import("./stress.ts");
    await runStress(socket, options, context);
  });
  program.addCommand(command);
}
