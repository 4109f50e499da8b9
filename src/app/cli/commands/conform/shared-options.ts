/** Options of every command that runs checks. */
import { Option } from "commander";
import { checked } from "../../options.ts";
import { parseDuration } from "../../units.ts";
import { parseFactor } from "./values.ts";

export const checkTimeoutOption = new Option(
  "--check-timeout <duration>",
  "how long one check may take",
)
  .default(30_000, "30s")
  .argParser(checked(parseDuration));

export const timeoutFactorOption = new Option(
  "--timeout-factor <number>",
  "multiplies every wait, for slow targets",
)
  .default(1)
  .argParser(checked(parseFactor));
