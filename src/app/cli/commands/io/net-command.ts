import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  groupCommand,
  ringModeOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { parseDuration, parseInteger } from "../../units.ts";

/** Options of everything that talks to a network back-end. */
function netCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .argument("<socket>", "path of the back-end's socket")
    .option("--listen", "make the socket and wait for the back-end to connect")
    .option("--packed", "use packed rings where they are offered")
    .option("--in-order", "have requests completed in their order where that is offered")
    .option("--iommu", "use I/O virtual addresses, and answer the back-end's IOTLB misses")
    .option("--no-mergeable", "take each frame in one buffer, also where they could be merged")
    .addOption(
      new Option("--queues <number>", "pairs of a receive and a transmit queue")
        .default(1)
        .argParser(checked(parseInteger(1, 128))),
    )
    .addOption(
      new Option("--queue-size <number>", "entries of each queue, a power of two")
        .default(256)
        .argParser(checked(parseInteger(2, 32_768))),
    )
    .addOption(ringModeOption("event"))
    .option("--mac <mac>", "our address", "52:54:00:00:00:02")
    .option("--control-queue", "tell the device address and pairs by its control queue")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .option("--json", "print one JSON document");
}

const pcapOption = new Option(
  "--pcap <file>",
  "write frames to this file, which must not exist yet",
);
const forceOption = new Option("--force", "write over the file of --pcap");
const waitOption = new Option("--wait <duration>", "how long an answer, or the next step, may take")
  .default(5000, "5s")
  .argParser(checked(parseDuration));

export function ioNetCommand(context: Context): Command {
  const load = async () => import("./net.ts");
  const net = groupCommand("net").description("a network device");

  net.addCommand(
    netCommand("send", "send frames: of a file, or test frames")
      .addOption(
        new Option("--pcap <file>", "send the frames of this file").conflicts(["size", "to"]),
      )
      .addOption(
        new Option(
          "--count <number>",
          "test frames to send; with --pcap, how often the file is sent; default 1",
        ).argParser(checked(parseInteger(1, 2 ** 31 - 1))),
      )
      .addOption(
        new Option("--size <bytes>", "of each test frame; default 64").argParser(
          checked(parseInteger(18, 65_550)),
        ),
      )
      .addOption(new Option("--to <mac>", "where test frames go; default: everybody"))
      .addOption(
        new Option("--rate <number>", "frames a second; default: as fast as taken").argParser(
          checked(parseInteger(1, 10_000_000)),
        ),
      )
      .addOption(waitOption)
      .addHelpText(
        "after",
        "\nExamples:\n  $ vhost-user io net send net.sock --count 10000 --size 1514" +
          "\n  $ vhost-user io net send net.sock --pcap frames.pcap",
      )
      .action(async (socket, options) => (await load()).send(socket, options, context)),
  );
  net.addCommand(
    netCommand("receive", "print what arrives, one line a frame")
      .addOption(
        new Option("--count <number>", "frames to wait for; default: until interrupted").argParser(
          checked(parseInteger(1, 2 ** 31 - 1)),
        ),
      )
      .addOption(
        new Option("--for <duration>", "end after this time").argParser(checked(parseDuration)),
      )
      .addOption(pcapOption)
      .addOption(forceOption)
      .addHelpText(
        "after",
        "\nExample:\n  $ vhost-user io net receive net.sock --count 10 --pcap got.pcap",
      )
      .action(async (socket, options) => (await load()).receive(socket, options, context)),
  );
  net.addCommand(
    netCommand("ping", "find a station by ARP and ping it")
      .argument("[address]", "whom", "10.0.2.1")
      .option("--source <address>", "our IPv4 address", "10.0.2.2")
      .addOption(
        new Option("--count <number>", "echoes to send")
          .default(4)
          .argParser(checked(parseInteger(1, 65_535))),
      )
      .addOption(
        new Option("--interval <duration>", "between two echoes")
          .default(200, "200ms")
          .argParser(checked(parseDuration)),
      )
      .addOption(
        new Option("--size <bytes>", "data in each echo")
          .default(56)
          .argParser(checked(parseInteger(0, 1472))),
      )
      .addOption(waitOption)
      .addOption(pcapOption)
      .addOption(forceOption)
      .addHelpText("after", "\nExample:\n  $ vhost-user io net ping net.sock 10.0.2.1 --count 10")
      .action(async (socket, address, options) =>
        (await load()).ping(socket, address, options, context),
      ),
  );
  net.addCommand(
    netCommand("dhcp", "ask for an address and print the lease")
      .addOption(waitOption)
      .addOption(pcapOption)
      .addOption(forceOption)
      .action(async (socket, options) => (await load()).dhcp(socket, options, context)),
  );
  return net as unknown as Command;
}
