import { Option } from "commander";
import { checked, commonCommand } from "../../options.ts";
import { parseInteger } from "../../units.ts";

/** Options of every bench: what becomes of the result. */
export function reportingCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .option("--json", "print one JSON document")
    .option("--json-file <file>", "save the JSON document as well")
    .option("--html <file>", "save a page with curves")
    .option("--baseline <file>", "fail where the result is worse than that --json-file")
    .addOption(
      new Option("--tolerance <percent>", "how much worse than the baseline it may be")
        .default(10, "10")
        .argParser(checked(parseInteger(0, 100))),
    );
}
