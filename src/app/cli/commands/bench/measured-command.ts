import { ringModeOption, workersOption } from "../../options.ts";
import {
  reportingCommand,
  runtimeOption,
  stallTimeoutOption,
  warmupOption,
} from "./reporting-command.ts";

const HELP = `
The report has the requests that the device counted, not those that the load reports. Without --load, start
a front-end on --socket yourself; measuring begins --warmup after its first request.

Example:
  $ vhost-user bench backend block --null --workers --load 'fio --ioengine=libblkio --libblkio_driver=virtio-blk-vhost-user --libblkio_path={socket} …'`;

/** A command that measures our back-end of a device type. */
export function measuredCommand(name: string, description: string) {
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
