import { Option } from "commander";
import { parseGroup, parseMode } from "../../groups.ts";
import { checked, commonCommand, strictOption, timeoutOption } from "../../options.ts";
import { LOG_FORMATS, type LogFormat } from "../../output.ts";
import { parseChoice, parseInteger, parseList } from "../../units.ts";

const words = checked(parseList((text) => text));

/** A command that is a back-end, with the options that all of those have. */
export function backendCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .option("--socket <path>", "path of the socket to listen on; any number of front-ends at once")
    .option(
      "--connect <path>",
      "connect to the socket of the other side; again when the front-end leaves",
    )
    .option(
      "--fd <number>",
      "serve an inherited socket, listening or connected; sockets of systemd (LISTEN_FDS) need no option",
      checked(parseInteger(0, 2 ** 31 - 1)),
    )
    .option(
      "--socket-mode <mode>",
      "permissions of the socket, octal; default 0600",
      checked(parseMode),
    )
    .option(
      "--socket-group <group>",
      "group of the socket, a name or a number",
      checked(parseGroup),
    )
    .option("--pid-file <file>", "file with the pid; exists while front-ends are served")
    .addOption(
      new Option("--log-format <format>", "text, or json: one object a line, on standard error")
        .default<LogFormat>("text")
        .argParser(checked(parseChoice(LOG_FORMATS))),
    )
    .option("--features <list>", "offer only these features (names, bit numbers, masks)", words)
    .option("--without <list>", "do not offer these features", words)
    .option(
      "--enable <list>",
      "offer these features as well, which are off by default: INBAND_NOTIFICATIONS, CROSS_ENDIAN, PAGEFAULT, RING_RESET",
      words,
    )
    .option(
      "--iommu",
      "use I/O virtual addresses; offers VIRTIO_F_ACCESS_PLATFORM, for QEMU's iommu_platform=on, and keeps queues on the event loop",
    )
    .addOption(
      new Option(
        "--fault <fault>",
        "break a rule on purpose: NAME[@request[:n]]; may be repeated",
      ).argParser((text: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        text,
      ]),
    )
    .option("--list-faults", "list what --fault can do, and end")
    .addOption(strictOption)
    .addOption(timeoutOption);
}
