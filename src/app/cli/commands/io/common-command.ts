import { Option } from "commander";
import { checked, commonCommand, strictOption, timeoutOption } from "../../options.ts";
import { parseDuration } from "../../units.ts";

/** A command that sends requests to a back-end, with the options that all of those have. */
export function requestCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .argument("<socket>", "path of the back-end's socket")
    .option("--listen", "make the socket and wait for the back-end to connect")
    .option("--packed", "use packed rings where they are offered")
    .option(
      "--reconnect",
      "wait for the back-end, to begin with and whenever it goes away, and go on",
    )
    .option(
      "--reconnect-for <duration>",
      "how long to wait for it each time, with --reconnect; default 30s",
      checked(parseDuration),
    )
    .option("--in-order", "have requests completed in their order where that is offered")
    .option("--iommu", "use I/O virtual addresses, and answer the back-end's IOTLB misses")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addOption(
      new Option("--io-timeout <duration>", "how long one request may take")
        .default(30_000, "30s")
        .argParser(checked(parseDuration)),
    );
}
