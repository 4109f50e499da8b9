import { Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand } from "../../options.ts";
import { parseDuration, parseInteger } from "../../units.ts";

const HELP = `
The load has the second processor, the back-end the first; samples are taken in turns, and again where
other machines took more than 2 % of the time. What is not installed is named and left out: libblkio
with its headers and cc, qemu-storage-daemon, qemu-img, dpdk-testpmd.

The variable VHOST_USER_PEERS_ROOT names a folder with another system's programs (one of debootstrap,
say), which are taken in place of this one's.

Example:
  $ vhost-user bench compare --rows libblkio --pairs 3`;

export function compareCommand(context: Context) {
  return commonCommand("compare")
    .description("our programs beside others that do the same, in turns: ratios")
    .option("--rows <text>", "rows with this text in their name or what they are against", "")
    .option("--list", "print the rows, and measure nothing")
    .addOption(
      new Option("--pairs <number>", "samples of each side")
        .default(11, "11")
        .argParser(checked(parseInteger(1, 1000))),
    )
    .addOption(
      new Option("--runtime, --seconds <duration>", "how long a sample is measured")
        .default(2000, "2s")
        .argParser(checked(parseDuration)),
    )
    .addOption(
      new Option("--warmup <duration>", "how long to go on before it counts")
        .default(500, "500ms")
        .argParser(checked(parseDuration)),
    )
    .option("--json", "print one JSON document, with all samples")
    .option("--json-file <file>", "save the JSON document as well")
    .addHelpText("after", HELP)
    .action(async (options) => (await import("./compare/run.ts")).benchCompare(options, context));
}
