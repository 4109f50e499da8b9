import { Option } from "commander";
import { checked, commonCommand, htmlOption, jsonFileOption, jsonOption } from "../../options.ts";
import { parseDuration, parseDurationOrZero, parseInteger } from "../../units.ts";

export const stallTimeoutOption = new Option(
  "--stall-timeout <duration>",
  "how long a queue may complete nothing",
)
  .default(30_000, "30s")
  .argParser(checked(parseDuration));

export const runtimeOption = (initial: number, text: string) =>
  new Option("--runtime <duration>", "how long to run; after the warm-up")
    .default(initial, text)
    .argParser(checked(parseDuration));

export const warmupOption = (initial: number, text: string) =>
  new Option("--warmup <duration>", "how long to run before anything counts; may be 0")
    .default(initial, text)
    .argParser(checked(parseDurationOrZero));

/** A bench command with the options that say what is done with the result. */
export function reportingCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .addOption(jsonOption)
    .addOption(jsonFileOption)
    .addOption(htmlOption)
    .option(
      "--baseline <file>",
      "what the run is compared with; a document of --json-file of the same workload; a worse result fails",
    )
    .addOption(
      new Option("--tolerance <percent>", "how much worse than the baseline it may be")
        .default(10, "10")
        .argParser(checked(parseInteger(0, 100))),
    );
}
