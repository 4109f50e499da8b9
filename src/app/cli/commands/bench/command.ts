import { type Command, Option } from "commander";
import { BLOCK_WORKLOADS } from "../../../../lab/kits/block/workloads/names.ts";
import { NET_WORKLOADS } from "../../../../lab/kits/net/workloads/names.ts";
import type { Context } from "../../context.ts";
import {
  checked,
  groupCommand,
  ringModeOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { backendCommand } from "./backend-command.ts";
import { reportingCommand, stallTimeoutOption } from "./reporting-command.ts";
import { compareCommand } from "./compare-command.ts";
import { parseChoice, parseDuration, parseInteger, parseSize } from "../../units.ts";

/** In place of SOCKET. */
const EXEC = [
  "--exec <command>",
  "start this back-end in place of SOCKET, and end it afterwards; {socket} in it stands for the path",
] as const;

const count = (most: number) => checked(parseInteger(1, most));

/** Options of everything that is a load on rings. */
function loadCommand(name: string, description: string) {
  return reportingCommand(name, description)
    .addOption(timeoutOption)
    .option(
      "--runtime, --seconds <duration>",
      "how long to measure; default 5s",
      checked(parseDuration),
    )
    .addOption(
      new Option("--warmup <duration>", "how long to go on before anything counts")
        .default(1000, "1s")
        .argParser(checked(parseDuration)),
    )
    .addOption(ringModeOption("hybrid"))
    .addOption(
      new Option("--queues <number>", "queues to use; of a network device, pairs")
        .default(1, "1")
        .argParser(count(256)),
    )
    .addOption(
      new Option("--threads <number>", "threads that drive them")
        .default(1, "1")
        .argParser(count(64)),
    )
    .option("--packed", "use packed rings where they are offered")
    .option("--in-order", "have requests completed in their order where that is offered")
    .option("--listen", "make the socket and wait for the back-end to connect")
    .addOption(stallTimeoutOption)
    .addOption(strictOption);
}

export function addBenchCommand(program: Command, context: Context): void {
  const block = loadCommand("block", "a block device: requests a second and their latency")
    .argument("[socket]", "path of the back-end's socket")
    .option(...EXEC)
    .addOption(
      new Option(
        "--rw <what>",
        `what is done: ${BLOCK_WORKLOADS.join(", ")} (randrw with 70 % reads)`,
      )
        .default("randread" as const)
        .argParser(checked(parseChoice(BLOCK_WORKLOADS))),
    )
    .addOption(
      new Option(
        "--rwmixread <percent>",
        "share of reads of rw, randrw and mix; default 50, of mix 70",
      ).argParser(checked(parseInteger(0, 100))),
    )
    .addOption(
      new Option("--bs, --block-size <bytes>", "bytes of each request")
        .default(4096, "4K")
        .argParser(checked(parseSize)),
    )
    .addOption(
      new Option("--iodepth, --depth <number>", "requests in flight on each queue")
        .default(16, "16")
        .argParser(count(10_922)),
    )
    .option("--requests <number>", "how many instead of how long", count(2 ** 31 - 1))
    .option("--rate <number>", "requests a second; default: all it can", count(2 ** 31 - 1))
    .option("--size <bytes>", "how much of the device, from its beginning", checked(parseSize))
    .option("--verify", "write a pattern first, and compare what is read with it; read writes back")
    .option("--overwrite", "write over a device that is not blank")
    .option(
      "--seed <number>",
      "of places and pattern; default random",
      checked(parseInteger(0, 2 ** 31 - 1)),
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ vhost-user bench block disk.sock --rw randread --depth 64 --seconds 10s --html bench.html",
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
    .option(...EXEC)
    .addOption(
      new Option("--frame-size <bytes>", "bytes of the frames that are sent")
        .default(64, "64")
        .argParser(checked(parseInteger(14, 65_550))),
    )
    .addOption(
      new Option(
        "--iodepth, --depth <number>",
        "frames in flight on each ring (default: as many as fit)",
      ).argParser(count(32_768)),
    )
    .addOption(
      new Option(
        "--batch <number>",
        "frames that are handed over together (default: 32, or the depth)",
      ).argParser(count(32_768)),
    )
    .addOption(
      new Option("--queue-size <number>", "entries of each ring")
        .default(256, "256")
        .argParser(count(32_768)),
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
    .option(...EXEC)
    .addOption(
      new Option("--requests <number>", "sessions, one after another")
        .default(200, "200")
        .argParser(count(2 ** 31 - 1)),
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
