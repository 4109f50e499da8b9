import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { groupCommand, parseCount, timeoutOption } from "../../options.ts";
import { backendCommand } from "./backend-command.ts";
import { reportingCommand, stallTimeoutOption } from "./reporting-command.ts";
import { COMPARISON_HELP, execEachOption, runsOption } from "./target-options.ts";
import { compareCommand } from "./compare-command.ts";
import { deviceCommands } from "../../devices/registry.ts";

export async function addBenchCommand(program: Command, context: Context): Promise<void> {
  const connect = reportingCommand(
    "connect",
    "a block back-end: how long a session takes to come up",
  )
    .argument("[sockets...]", "paths of the back-ends' sockets")
    .addOption(execEachOption)
    .addOption(runsOption)
    .addOption(
      new Option("--count <number>", "how many; sessions, one after another")
        .default(200, "200")
        .argParser(parseCount(2 ** 31 - 1)),
    )
    .addOption(timeoutOption)
    .addOption(stallTimeoutOption)
    .addHelpText(
      "after",
      `${COMPARISON_HELP}

Example:
  $ vhost-user bench connect old.sock new.sock --runs 11`,
    )
    .action(async (sockets, options) =>
      (await import("./connect.ts")).benchConnect(sockets, options, context),
    );
  const bench = groupCommand("bench").description("measure: throughput and latency");
  for (const { bench: load } of deviceCommands) {
    if (load !== undefined) bench.addCommand((await load())(context));
  }
  bench.addCommand(connect);
  bench.addCommand(await backendCommand(context));
  bench.addCommand(compareCommand(context));
  program.addCommand(bench);
}
