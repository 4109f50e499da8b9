import {
  checked,
  commonCommand,
  inOrderOption,
  ioTimeoutOption,
  listenOption,
  packedOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { parseDuration } from "../../units.ts";

/** A command that sends requests to a back-end, with the options that all of those have. */
export function requestCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .argument("<socket>", "path of the back-end's socket")
    .addOption(listenOption)
    .addOption(packedOption)
    .option("--reconnect", "wait for the back-end, first and whenever it goes away, and continue")
    .option(
      "--reconnect-for <duration>",
      "how long to wait each time; sets --reconnect; default: 30s",
      checked(parseDuration),
    )
    .addOption(inOrderOption)
    .option("--iommu", "use I/O virtual addresses; answers the back-end's IOTLB misses")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addOption(ioTimeoutOption);
}
