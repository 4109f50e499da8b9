import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand, failOnOption } from "../../options.ts";
import { parseInteger } from "../../units.ts";
import { checkTimeoutOption, timeoutFactorOption } from "../conform/shared-options.ts";
import { parseProfile } from "../conform/values.ts";

const HELP = `
TARGETS is a file of JSON:

  {"targets": [
    {"name": "qemu-storage-daemon", "version": "7.2", "device": "block",
     "exec": "qemu-storage-daemon … {socket} …", "baseline": "storage-daemon.json"},
    {"name": "mine", "socket": "/run/mine.sock", "device": "net"},
    {"name": "QEMU", "frontEnd": true, "exec": "qemu-system-x86_64 … {socket} … {qmp} …"}
  ]}

"exec" and "socket" are as in conform (of a front-end, "socket" is listened on); "shell": true has a
shell start it; "device" is a device type, or a module beside TARGETS whose default export is a kit; "baseline" is
a file beside TARGETS or a name of conform --list-baselines. A target that cannot be judged fails the
run, unless it has "optional": true; its column says why.`;

export function addMatrixCommand(program: Command, context: Context): void {
  const command = commonCommand("matrix")
    .description("judge many targets, and write a page that compares them")
    .argument("<targets>", "file that lists them")
    .requiredOption("--out-dir <folder>", "write the pages to this folder; index.html is the first")
    .option("--only <pattern...>", "run these checks; may be repeated")
    .addOption(
      new Option("--profile <name>", "run this set of checks; default: standard").argParser(
        checked(parseProfile),
      ),
    )
    .addOption(failOnOption)
    .addOption(checkTimeoutOption)
    .addOption(timeoutFactorOption)
    .addOption(
      new Option("--seed <number>", "seed of the random data")
        .default(1)
        .argParser(checked(parseInteger(0, 0xffff_ffff))),
    )
    .addHelpText("after", HELP)
    .action(async (path, options) => {
      const { runMatrix } = await import("./run.ts");
      await runMatrix(path, options, context);
    });
  program.addCommand(command);
}
