import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  forceOption,
  groupCommand,
  inOrderOption,
  jsonOption,
  listenOption,
  packedOption,
  ringModeOption,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { parseDuration, parseDurationOrZero, parseInteger } from "../../units.ts";

/** Options of everything that talks to a network back-end. */
function netCommand(name: string, description: string) {
  return commonCommand(name)
    .description(description)
    .argument("<socket>", "path of the back-end's socket")
    .addOption(listenOption)
    .addOption(packedOption)
    .addOption(inOrderOption)
    .option("--iommu", "use I/O virtual addresses; answers the back-end's IOTLB misses")
    .option("--no-mergeable", "take each frame in one buffer, also where they could be merged")
    .addOption(
      new Option("--queues <number>", "number of queues; pairs of a receive and a transmit queue")
        .default(1)
        .argParser(checked(parseInteger(1, 128))),
    )
    .addOption(
      new Option("--queue-size <number>", "entries of each ring; a power of two")
        .default(256)
        .argParser(checked(parseInteger(2, 32_768))),
    )
    .addOption(ringModeOption("event"))
    .option("--mac <mac>", "our MAC address", "52:54:00:00:00:02")
    .option("--control-queue", "use a control queue; sets address and pairs by it")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addOption(jsonOption);
}

const pcapOption = new Option("--pcap <file>", "write frames to this file, which must not exist");
const frameTimeoutOption = new Option("--io-timeout <duration>", "how long one request may take")
  .default(5000, "5s")
  .argParser(checked(parseDuration));

export function ioNetCommand(context: Context): Command {
  const net = groupCommand("net").description("a network device");

  net.addCommand(
    netCommand("send", "send frames: of a file, or test frames")
      .addOption(
        new Option("--in <file>", "read the data from this file; frames in a pcap file").conflicts([
          "frameSize",
          "to",
        ]),
      )
      .addOption(
        new Option(
          "--count <number>",
          "how many; test frames to send, or passes over the file of --in; default: 1",
        ).argParser(checked(parseInteger(1, 2 ** 31 - 1))),
      )
      .addOption(
        new Option("--frame-size <bytes>", "bytes of each frame; default: 64").argParser(
          checked(parseInteger(18, 65_550)),
        ),
      )
      .addOption(new Option("--to <mac>", "where test frames go; default: broadcast"))
      .addOption(
        new Option(
          "--rate <number>",
          "how many a second; frames; default: as fast as possible",
        ).argParser(checked(parseInteger(1, 10_000_000))),
      )
      .addOption(frameTimeoutOption)
      .addHelpText(
        "after",
        "\nExamples:\n  $ vhost-user io net send net.sock --count 10000 --frame-size 1514" +
          "\n  $ vhost-user io net send net.sock --in frames.pcap",
      )
      .action(async (socket, options) =>
        (await import("./io-send.ts")).send(socket, options, context),
      ),
  );
  net.addCommand(
    netCommand("receive", "print what arrives, one line a frame")
      .addOption(
        new Option(
          "--count <number>",
          "how many; frames to wait for; default: until interrupted",
        ).argParser(checked(parseInteger(1, 2 ** 31 - 1))),
      )
      .addOption(
        new Option("--runtime <duration>", "how long to run; default: until --count").argParser(
          checked(parseDuration),
        ),
      )
      .addOption(pcapOption)
      .addOption(forceOption)
      .addHelpText(
        "after",
        "\nExample:\n  $ vhost-user io net receive net.sock --count 10 --pcap got.pcap",
      )
      .action(async (socket, options) =>
        (await import("./io-receive.ts")).receive(socket, options, context),
      ),
  );
  net.addCommand(
    netCommand("ping", "find a station by ARP and ping it")
      .argument("[address]", "IPv4 address to ping", "10.0.2.1")
      .option("--source <address>", "our IPv4 address", "10.0.2.2")
      .addOption(
        new Option("--count <number>", "how many; echo requests to send")
          .default(4)
          .argParser(checked(parseInteger(1, 65_535))),
      )
      .addOption(
        new Option("--interval <duration>", "time between two echo requests; may be 0")
          .default(200, "200ms")
          .argParser(checked(parseDurationOrZero)),
      )
      .addOption(
        new Option("--data-size <bytes>", "bytes of data in each echo request")
          .default(56)
          .argParser(checked(parseInteger(0, 65_507))),
      )
      .addOption(frameTimeoutOption)
      .addOption(pcapOption)
      .addOption(forceOption)
      .addHelpText("after", "\nExample:\n  $ vhost-user io net ping net.sock 10.0.2.1 --count 10")
      .action(async (socket, address, options) =>
        (await import("./io-station.ts")).ping(socket, address, options, context),
      ),
  );
  net.addCommand(
    netCommand("dhcp", "ask for an address and print the lease")
      .addOption(frameTimeoutOption)
      .addOption(pcapOption)
      .addOption(forceOption)
      .action(async (socket, options) =>
        (await import("./io-station.ts")).dhcp(socket, options, context),
      ),
  );
  return net;
}
