import { type CommandUnknownOpts, Option } from "commander";
import { NET_WORKLOADS } from "../../../../lab/kits/net/workloads/names.ts";
import type { Context } from "../../context.ts";
import { checked, parseCount } from "../../options.ts";
import { parseChoice, parseInteger } from "../../units.ts";
import { loadCommand } from "../../commands/bench/load-command.ts";
import {
  COMPARISON_HELP,
  execEachOption,
  runsOption,
} from "../../commands/bench/target-options.ts";
import { measuredCommand } from "../../commands/bench/measured-command.ts";

export function benchNetCommand(context: Context): CommandUnknownOpts {
  const net = loadCommand("net", "a network device: frames a second")
    .argument(
      "<what>",
      "tx: send; rx: take what comes; loop: both",
      checked(parseChoice(NET_WORKLOADS)),
    )
    .argument("[sockets...]", "paths of the back-ends' sockets")
    .addOption(execEachOption)
    .addOption(runsOption)
    .addOption(
      new Option("--frame-size <bytes>", "bytes of each frame")
        .default(64, "64")
        .argParser(checked(parseInteger(14, 65_550))),
    )
    .addOption(
      new Option(
        "--depth <number>",
        "requests in flight on each queue; frames; default: as many as fit",
      ).argParser(parseCount(32_768)),
    )
    .addOption(
      new Option(
        "--batch <number>",
        "frames made available together; default: 32, or the depth",
      ).argParser(parseCount(32_768)),
    )
    .addOption(
      new Option("--queue-size <number>", "entries of each ring; a power of two")
        .default(256, "256")
        .argParser(parseCount(32_768)),
    )
    .addHelpText(
      "after",
      `${COMPARISON_HELP}

Example:
  $ vhost-user bench net tx net.sock --batch 64 --ring-mode poll
  $ vhost-user bench net tx old.sock new.sock --runs 11`,
    )
    .action(async (what, sockets, options) =>
      (await import("./bench.ts")).benchNet(what, sockets, options, context),
    );
  return net;
}

export function benchNetBackendCommand(context: Context): CommandUnknownOpts {
  const net = measuredCommand("net", "our net back-end, which takes all, under another's load")
    .addOption(
      new Option("--queues <number>", "number of queues; pairs of a receive and a transmit queue")
        .default(1, "1")
        .argParser(checked(parseInteger(1, 128))),
    )
    .action(async (options) =>
      (await import("./bench-backend.ts")).benchNetBackend(options, context),
    );
  return net;
}
