import { Option } from "commander";
import { checked, commonCommand } from "../../options.ts";
import { parseDuration, parseInteger } from "../../units.ts";

/** How long nothing may complete. */
export const stallTimeoutOption = new Option(
  "--stall-timeout <duration>",
  "how long a queue may complete none of its requests",
)
  .default(30_000, "30s")
  .argParser(checked(parseDuration));

/** Options of every bench: what becomes of the result. */
export function reportingCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .option("--json", "print one JSON document")
    .option("--json-file <file>", "save the JSON document as well")
    .option("--html <file>", "save a page with curves")
    .option(
      "--baseline <file>",
      "fail where the result is worse than that --json-file, which must be of the same workload",
    )
    .addOption(
      new Option("--tolerance <percent>", "how much worse than the baseline it may be")
        .default(10, "10")
        .argParser(checked(parseInteger(0, 100))),
    );
}
