import { Option } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand, jsonFileOption, jsonOption, parseCount } from "../../options.ts";
import { runtimeOption, warmupOption } from "./reporting-command.ts";

const HELP = `
The load has the second processor, the back-end the first; samples are taken in turns, and again where
other machines took more than 2 % of the time. What is not installed is named and left out: libblkio
with its headers and cc, qemu-storage-daemon, qemu-img, dpdk-testpmd.

The variable VHOST_USER_PEERS_ROOT names a folder with another system's programs (for example one
made by debootstrap), which replace the programs of this system.

Example:
  $ vhost-user bench compare --rows libblkio --runs 3`;

export function compareCommand(context: Context) {
  return commonCommand("compare")
    .description("compare our programs with other implementations, run alternately: ratios")
    .option("--rows <text>", "run the rows with this text in their name; default: all")
    .option("--list", "print what would run, and run nothing")
    .addOption(
      new Option("--runs <number>", "measurements of each target; here of each side")
        .default(11, "11")
        .argParser(parseCount(1000)),
    )
    .addOption(runtimeOption(2000, "2s"))
    .addOption(warmupOption(500, "500ms"))
    .addOption(jsonOption)
    .addOption(jsonFileOption)
    .addHelpText("after", HELP)
    .action(async (options) => (await import("./compare/run.ts")).benchCompare(options, context));
}
