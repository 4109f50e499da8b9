import { Option } from "commander";
import { checked, commonCommand, strictOption, timeoutOption } from "../../options.ts";
import { parseList } from "../../units.ts";

const words = checked(parseList((text) => text));

/** A command that is a back-end, with the options that all of those have. */
export function backendCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .option("--socket <path>", "listen here; any number of front-ends at once")
    .option("--connect <path>", "connect to a front-end that listens here, again when it leaves")
    .option(
      "--features <list>",
      "offer these features and no others (names, bit numbers, masks)",
      words,
    )
    .option("--without <list>", "do not offer these features", words)
    .option(
      "--also <list>",
      "offer these, too, which are not offered unless asked for: INBAND_NOTIFICATIONS, CROSS_ENDIAN, PAGEFAULT, RING_RESET",
      words,
    )
    .option(
      "--iommu",
      "offer VIRTIO_F_ACCESS_PLATFORM, for QEMU's iommu_platform=on; queues then stay on the event loop",
    )
    .addOption(
      new Option("--fault <fault>", "break a rule on purpose: NAME[@request[:n]]; may be repeated")
        .default([] as string[])
        .argParser((text: string, all: string[]) => [...all, text]),
    )
    .option("--list-faults", "list what --fault can do, and end")
    .addOption(strictOption)
    .addOption(timeoutOption);
}
