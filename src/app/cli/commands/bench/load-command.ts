import { Option } from "commander";
import {
  checked,
  inOrderOption,
  listenOption,
  packedOption,
  parseCount,
  ringModeOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { reportingCommand, stallTimeoutOption, warmupOption } from "./reporting-command.ts";
import { parseDuration } from "../../units.ts";

/** Options of everything that is a load on rings. */
export function loadCommand(name: string, description: string) {
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
