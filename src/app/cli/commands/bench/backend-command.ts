import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, groupCommand, ringModeOption, workersOption } from "../../options.ts";
import { parseInteger, parseSize } from "../../units.ts";
import {
  reportingCommand,
  runtimeOption,
  stallTimeoutOption,
  warmupOption,
} from "./reporting-command.ts";

const HELP = `
What the device itself counted is reported, whatever the load says of itself. Without --load somebody
else starts a front-end on --socket; measuring begins --warmup after its first request.

Example:
  $ vhost-user bench backend block --null --workers --load 'fio --ioengine=libblkio --libblkio_driver=virtio-blk-vhost-user --libblkio_path={socket} …'`;

function measuredCommand(name: string, description: string) {
  return reportingCommand(name, description)
    .option(
      "--socket <path>",
      "path of the socket to listen on; default: a private one, for --load",
    )
    .option("--load <command>", "start this load; {socket} in it is the socket's path")
    .addOption(runtimeOption(5000, "5s"))
    .addOption(warmupOption(1000, "1s"))
    .addOption(stallTimeoutOption)
    .addOption(workersOption)
    .addOption(ringModeOption("hybrid"))
    .addHelpText("after", HELP);
}

export function backendCommand(context: Context): Command {
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
      (await import("./backend.ts")).benchBackend("block", options, context),
    );
  const net = measuredCommand("net", "our net back-end, which takes all, under another's load")
    .addOption(
      new Option("--queues <number>", "number of queues; pairs of a receive and a transmit queue")
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
