import { type Command, Option } from "commander";
import { parseDeviceOrModule } from "../../device-option.ts";
import type { Context } from "../../context.ts";
import {
  checked,
  execOption,
  failOnOption,
  htmlOption,
  jsonFileOption,
  jsonOption,
  judgingCommand,
  junitOption,
  listenOption,
  markdownOption,
  seedOption,
} from "../../options.ts";
import { parseInteger, parseList } from "../../units.ts";
import { checkTimeoutOption, timeoutFactorOption } from "./shared-options.ts";
import { parseProfile, parseShard, parseStrength } from "./values.ts";

const HELP = `
SOCKET is the path of a listening back-end. With --exec the suite starts one itself, watches its
process, and starts it again when it is gone:

  vhost-user conform --exec 'qemu-storage-daemon … {socket} …'

  {socket}  a path on which it is to listen
  {dir}     a folder of its own, removed in the end

With --front-end the suite is the back-end and the command a front-end, started for every check:

  vhost-user conform --front-end --exec 'qemu-system-x86_64 … {socket} … {qmp} …'

  {socket}  the path of the suite's back-end
  {qmp}     a path on which the front-end's monitor is to listen; without it, checks that stop,
            reset or migrate the machine are skipped

With --front-end SOCKET --listen you start the front-end yourself. It has to connect again, or to be
started again, whenever its connection ends: each check is a connection of its own.

  vhost-user conform --front-end /run/mine.sock --listen

A check is named by its id (header/1), by a pattern (mem/*) or by its section (vring).`;

export function addConformCommand(program: Command, context: Context): void {
  const command = judgingCommand("conform")
    .description(
      "judge a back-end or front-end by the specification; each verdict shows its exchange",
    )
    .argument("[socket]", "path of a listening back-end; with --listen, of the suite's own")
    .addOption(execOption)
    .option("--front-end", "the target is a front-end")
    .addOption(listenOption)
    .option("--shell", "start the program of --exec by /bin/sh -c")
    .addOption(
      new Option(
        "--device <type|module>",
        "device type of the target; or a module whose default export is a kit; default: inferred",
      ).argParser(checked(parseDeviceOrModule)),
    )
    .option("--only <pattern...>", "run these checks; may be repeated")
    .option("--except <pattern...>", "skip these checks; may be repeated")
    .addOption(
      new Option("--profile <name>", "run this set of checks; default: standard").argParser(
        checked(parseProfile),
      ),
    )
    .addOption(
      new Option(
        "--strength <list>",
        "run checks of these strengths; MUST, SHOULD, ROBUSTNESS, -",
      ).argParser(checked(parseList(parseStrength))),
    )
    .option("--list", "print what would run, and run nothing; needs no target")
    .option("--dry-run", "print what would be done; connects to the target and runs no check")
    .addOption(failOnOption)
    .addOption(checkTimeoutOption)
    .addOption(timeoutFactorOption)
    .addOption(seedOption)
    .addOption(
      new Option("--repeat <number>", "run this many times; that is, each check")
        .default(1)
        .argParser(checked(parseInteger(1, 10_000))),
    )
    .addOption(
      new Option(
        "--shard <part>",
        "run part i of n, as 1/4; conform merge combines the reports",
      ).argParser(checked(parseShard)),
    )
    .option(
      "--baseline <file>",
      "what the run is compared with; expected verdicts with reasons, a file or a name of --list-baselines",
    )
    .option("--list-baselines", "print the names of the package's baselines of real programs")
    .option("--update-baseline", "write the baseline that this run would pass")
    .option("--target-version <text>", "version of the target, for expectations of some versions")
    .addOption(jsonOption)
    .addOption(jsonFileOption)
    .addOption(junitOption)
    .addOption(markdownOption)
    .addOption(htmlOption)
    .option("--keep <folder>", "write the exchange of each check that did not pass to this folder")
    .addHelpText("after", HELP)
    .action(async (socket, options) => {
      const { runConform } = await import("./run.ts");
      await runConform(socket, options, context);
    });
  const merge = judgingCommand("merge")
    .description("merge the JSON documents of shards")
    .argument("<file...>", "documents of conform --json-file")
    .addOption(failOnOption)
    .addOption(jsonOption)
    .addOption(jsonFileOption)
    .addOption(junitOption)
    .addOption(markdownOption)
    .addOption(htmlOption)
    .action(async (files, _options, self) => {
      const { runMerge } = await import("./merge.ts");
      // An option that both have is taken by the command in front.
      runMerge(files, self.optsWithGlobals(), context);
    });
  command.addCommand(merge);
  program.addCommand(command);
}
