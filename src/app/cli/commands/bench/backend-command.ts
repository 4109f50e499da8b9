import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, groupCommand, ringModeOption } from "../../options.ts";
import { parseDuration, parseInteger, parseSize } from "../../units.ts";
import { reportingCommand, stallTimeoutOption } from "./reporting-command.ts";

const HELP = `
What the device itself counted is reported, whatever the load says of itself. Without --load somebody
else starts a front-end on --socket; measuring begins --warmup after its first request.

Example:
  $ vhost-user bench backend block --null --workers --load 'fio --ioengine=libblkio --libblkio_driver=virtio-blk-vhost-user --libblkio_path={socket} …'`;

function measuredCommand(name: string, description: string) {
  return reportingCommand(name, description)
    .option("--socket <path>", "listen here; default: on a path of its own, for --load")
    .option("--load <command>", "start this load; {socket} in it stands for the path")
    .addOption(
      new Option("--runtime, --seconds <duration>", "how long to measure")
        .default(5000, "5s")
        .argParser(checked(parseDuration)),
    )
    .addOption(
      new Option("--warmup <duration>", "how long to go on before anything counts")
        .default(1000, "1s")
        .argParser(checked(parseDuration)),
    )
    .addOption(stallTimeoutOption)
    .option("--workers", "serve each queue in a worker thread of its own")
    .addOption(ringModeOption("hybrid"))
    .addHelpText("after", HELP);
}

export function backendCommand(context: Context): Command {
  const block = measuredCommand("block", "our block back-end under another's load")
    .addOption(
      new Option("--size <bytes>", "a disk in memory; default 64M").argParser(checked(parseSize)),
    )
    .option("--null", "complete requests without moving data")
    .addOption(
      new Option("--image <file>", "a disk that is read from this file").conflicts([
        "size",
        "null",
      ]),
    )
    .addOption(
      new Option("--queues <number>", "request queues")
        .default(1, "1")
        .argParser(checked(parseInteger(1, 256))),
    )
    .action(async (options) =>
      (await import("./backend.ts")).benchBackend("block", options, context),
    );
  const net = measuredCommand("net", "our net back-end, which takes all, under another's load")
    .addOption(
      new Option("--queues <number>", "pairs of a receive and a transmit queue")
        .default(1, "1")
        .argParser(checked(parseInteger(1, 128))),
    )
    .action(async (options) =>
      (await import("./backend.ts")).benchBackend("net", options, context),
    );
  const backend = groupCommand("backend").description("measure our back-end under another's load");
  backend.addCommand(block as unknown as Command);
  backend.addCommand(net as unknown as Command);
  return backend as unknown as Command;
}
