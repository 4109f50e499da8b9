import { type Command, Option } from "commander";
import { parseDeviceOrModule } from "../../device-option.ts";
import type { Context } from "../../context.ts";
import { checked, commonCommand, failOnOption } from "../../options.ts";
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
  const command = commonCommand("conform")
    .description(
      "judge a back-end or front-end by the specification; each verdict shows its exchange",
    )
    .argument("[socket]", "path of a listening back-end; with --listen, of the suite's own")
    .option("--exec <command>", "start this back-end; split into words, without a shell")
    .option("--front-end", "judge a front-end, which --exec starts, in place of a back-end")
    .option("--listen", "with --front-end: make SOCKET, and wait for a front-end that you start")
    .option("--shell", "start it by /bin/sh -c")
    .addOption(
      new Option(
        "--device <type|module>",
        "the target's device type, or a module that exports a kit; default: inferred from its offer",
      ).argParser(checked(parseDeviceOrModule)),
    )
    .option("--only <pattern...>", "these checks; may be given more than once")
    .option("--except <pattern...>", "all but these")
    .addOption(
      new Option("--profile <name>", "a set of checks (default: standard)").argParser(
        checked(parseProfile),
      ),
    )
    .addOption(
      new Option("--strength <list>", "MUST, SHOULD, ROBUSTNESS, -; with commas").argParser(
        checked(parseList(parseStrength)),
      ),
    )
    .option("--list", "print the checks that would be made, and make none; needs no target")
    .option("--dry-run", "look at the target, print what would be made or skipped, and make none")
    .addOption(failOnOption)
    .addOption(checkTimeoutOption)
    .addOption(timeoutFactorOption)
    .addOption(
      new Option(
        "--seed <number>",
        "what random inputs begin with; default: by the clock",
      ).argParser(checked(parseInteger(0, 0xffff_ffff))),
    )
    .addOption(
      new Option("--repeat <number>", "each check so many times")
        .default(1)
        .argParser(checked(parseInteger(1, 10_000))),
    )
    .addOption(
      new Option(
        "--shard <part>",
        "only part i of n, as 1/4; conform merge puts parts together",
      ).argParser(checked(parseShard)),
    )
    .option(
      "--baseline <file>",
      "verdicts that are expected of this target, with reasons: a file, or a name of the package's",
    )
    .option("--list-baselines", "print the baselines of real programs that the package has")
    .option("--update-baseline", "write the baseline that this run would pass")
    .option("--target-version <text>", "the target's version, for expectations of some versions")
    .option("--json", "print one JSON document")
    .option("--json-file <file>", "write the JSON document to this file")
    .option("--junit <file>", "write JUnit XML to this file")
    .option("--markdown <file>", "write Markdown to this file, e.g. a job summary")
    .option("--html <file>", "write one HTML page to this file")
    .option("--keep <folder>", "write the exchange of each check that did not pass to a file there")
    .addHelpText("after", HELP)
    .action(async (socket, options) => {
      const { runConform } = await import("./run.ts");
      await runConform(socket, options, context);
    });
  const merge = commonCommand("merge")
    .description("put the JSON documents of shards together")
    .argument("<file...>", "documents of conform --json-file")
    .addOption(failOnOption)
    .option("--json", "print one JSON document")
    .option("--json-file <file>", "write the JSON document to this file")
    .option("--junit <file>", "write JUnit XML to this file")
    .option("--markdown <file>", "write Markdown to this file")
    .option("--html <file>", "write one HTML page to this file")
    .action(async (files, _options, self) => {
      const { runMerge } = await import("./merge.ts");
      // An option that both have is taken by the command in front.
      runMerge(files, self.optsWithGlobals(), context);
    });
  command.addCommand(merge as unknown as Command);
  program.addCommand(command as unknown as Command);
}
