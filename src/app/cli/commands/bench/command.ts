import { type Command, Option } from "commander";
import { BLOCK_WORKLOADS } from "../../../../lab/kits/block/workloads/names.ts";
import { NET_WORKLOADS } from "../../../../lab/kits/net/workloads/names.ts";
import type { Context } from "../../context.ts";
import {
  blockSizeOption,
  checked,
  execOption,
  groupCommand,
  inOrderOption,
  listenOption,
  overwriteOption,
  packedOption,
  parseCount,
  ringModeOption,
  seedOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { backendCommand } from "./backend-command.ts";
import { reportingCommand, stallTimeoutOption, warmupOption } from "./reporting-command.ts";
import { compareCommand } from "./compare-command.ts";
import { parseChoice, parseDuration, parseInteger, parseSize } from "../../units.ts";

/** Options of everything that is a load on rings. */
function loadCommand(name: string, description: string) {
  return reportingCommand(name, description)
    .addOption(timeoutOption)
    .option(
      "--runtime <duration>",
      "how long to run; after the warm-up; default: 5s",
      checked(parseDuration),
    )
    .addOption(warmupOption(1000, "1s"))
    .addOption(ringModeOption("hybrid"))
    .addOption(
      new Option("--queues <number>", "number of queues; of a network device, pairs")
        .default(1, "1")
        .argParser(parseCount(256)),
    )
    .addOption(
      new Option("--threads <number>", "threads that drive the queues")
        .default(1, "1")
        .argParser(parseCount(64)),
    )
    .addOption(packedOption)
    .addOption(inOrderOption)
    .addOption(listenOption)
    .addOption(stallTimeoutOption)
    .addOption(strictOption);
}

export function addBenchCommand(program: Command, context: Context): void {
  const block = loadCommand("block", "a block device: requests a second and their latency")
    .argument("[socket]", "path of the back-end's socket")
    .addOption(execOption)
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
      "\nExample:\n  $ vhost-user bench block disk.sock --rw randread --depth 64 --runtime 10s --html bench.html",
    )
    .action(async (socket, options) =>
      (await import("./block.ts")).benchBlock(socket, options, context),
    );
  const net = loadCommand("net", "a network device: frames a second")
    .argument(
      "<what>",
      "tx: send; rx: take what comes; loop: both",
      checked(parseChoice(NET_WORKLOADS)),
    )
    .argument("[socket]", "path of the back-end's socket")
    .addOption(execOption)
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
      "\nExample:\n  $ vhost-user bench net tx net.sock --batch 64 --ring-mode poll",
    )
    .action(async (what, socket, options) =>
      (await import("./net.ts")).benchNet(what, socket, options, context),
    );
  const connect = reportingCommand(
    "connect",
    "a block back-end: how long a session takes to come up",
  )
    .argument("[socket]", "path of the back-end's socket")
    .addOption(execOption)
    .addOption(
      new Option("--count <number>", "how many; sessions, one after another")
        .default(200, "200")
        .argParser(parseCount(2 ** 31 - 1)),
    )
    .addOption(timeoutOption)
    .addOption(stallTimeoutOption)
    .action(async (socket, options) =>
      (await import("./connect.ts")).benchConnect(socket, options, context),
    );
  const bench = groupCommand("bench").description("measure: throughput and latency");
  bench.addCommand(block as unknown as Command);
  bench.addCommand(net as unknown as Command);
  bench.addCommand(connect as unknown as Command);
  bench.addCommand(backendCommand(context) as unknown as Command);
  bench.addCommand(compareCommand(context) as unknown as Command);
  program.addCommand(bench as unknown as Command);
}
