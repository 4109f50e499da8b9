import { type CommandUnknownOpts, Option } from "commander";
import { BLOCK_WORKLOADS } from "../../../../lab/kits/block/workloads/names.ts";
import type { Context } from "../../context.ts";
import {
  blockSizeOption,
  checked,
  overwriteOption,
  parseCount,
  seedOption,
} from "../../options.ts";
import { parseChoice, parseInteger, parseSize } from "../../units.ts";
import { loadCommand } from "../../commands/bench/load-command.ts";
import {
  COMPARISON_HELP,
  execEachOption,
  runsOption,
} from "../../commands/bench/target-options.ts";
import { measuredCommand } from "../../commands/bench/measured-command.ts";

export function benchBlockCommand(context: Context): CommandUnknownOpts {
  const block = loadCommand("block", "a block device: requests a second and their latency")
    .argument("[sockets...]", "paths of the back-ends' sockets")
    .addOption(execEachOption)
    .addOption(runsOption)
    .addOption(
      new Option(
        "--rw <what>",
        `kind of load; ${BLOCK_WORKLOADS.join(", ")} (randrw with 70 % reads)`,
      )
        .default("randread" as const)
        .argParser(checked(parseChoice(BLOCK_WORKLOADS))),
    )
    .addOption(
      new Option(
        "--rwmixread <percent>",
        "share of reads of rw, randrw and mix; default: 50, of mix 70",
      ).argParser(checked(parseInteger(0, 100))),
    )
    .addOption(blockSizeOption(4096, "4K"))
    .addOption(
      new Option("--depth <number>", "requests in flight on each queue")
        .default(16, "16")
        .argParser(parseCount(10_922)),
    )
    .option("--count <number>", "how many; requests, instead of --runtime", parseCount())
    .option(
      "--rate <number>",
      "how many a second; requests; default: as fast as possible",
      parseCount(),
    )
    .option(
      "--length <bytes>",
      "how many bytes; from the beginning of the device; default: all",
      checked(parseSize),
    )
    .option("--verify", "write a pattern first, and compare what is read with it; read writes back")
    .addOption(overwriteOption)
    .addOption(seedOption)
    .addHelpText(
      "after",
      `${COMPARISON_HELP}

Example:
  $ vhost-user bench block disk.sock --rw randread --depth 64 --runtime 10s --html bench.html
  $ vhost-user bench block old.sock new.sock --runs 11 --html comparison.html`,
    )
    .action(async (sockets, options) =>
      (await import("./bench.ts")).benchBlock(sockets, options, context),
    );
  return block;
}

export function benchBlockBackendCommand(context: Context): CommandUnknownOpts {
  const block = measuredCommand("block", "our block back-end under another's load")
    .addOption(
      new Option("--size <bytes>", "size of the disk in memory; default 64M").argParser(
        checked(parseSize),
      ),
    )
    .option("--null", "complete requests without moving data")
    .addOption(
      new Option("--image <file>", "file with the disk's content; only read").conflicts([
        "size",
        "null",
      ]),
    )
    .addOption(
      new Option("--queues <number>", "number of queues")
        .default(1, "1")
        .argParser(checked(parseInteger(1, 256))),
    )
    .action(async (options) =>
      (await import("./bench-backend.ts")).benchBlockBackend(options, context),
    );
  return block;
}
