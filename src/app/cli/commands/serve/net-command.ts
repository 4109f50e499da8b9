import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, ringModeOption } from "../../options.ts";
import { parseChoice, parseInteger } from "../../units.ts";
import { qemuHelp } from "./qemu-help.ts";
import { backendCommand } from "./common-command.ts";
import { TRAFFIC, type Traffic } from "./traffic.ts";

export function serveNetCommand(context: Context): Command {
  const net = backendCommand(
    "net",
    "a network device with one station, or a traffic tool, behind it",
  )
    .addOption(
      new Option(
        "--traffic <kind>",
        "respond: answer ARP, ping and DHCP; echo: send everything back, addresses exchanged; " +
          "sink: take everything; source: send test frames",
      )
        .default("respond" as Traffic)
        .argParser(checked(parseChoice(TRAFFIC))),
    )
    .addOption(
      new Option("--queues <number>", "pairs of a receive and a transmit queue")
        .default(1)
        .argParser(checked(parseInteger(1, 128))),
    )
    .option("--mac <mac>", "of the station behind the device", "52:54:00:00:00:01")
    .option(
      "--control-queue <mac>",
      "have a control queue, and a configuration space with this address, for front-ends that " +
        "leave both to the back-end (not QEMU)",
    )
    .option("--address <address/prefix>", "of that station (respond)", "10.0.2.1/24")
    .option("--lease <address>", "what DHCP gives (respond); default: the one after --address")
    .addOption(
      new Option(
        "--rate <number>",
        "frames a second (source); default: as fast as taken",
      ).argParser(checked(parseInteger(1, 10_000_000))),
    )
    .addOption(
      new Option("--count <number>", "frames to send (source); default: no end").argParser(
        checked(parseInteger(1, 2 ** 31 - 1)),
      ),
    )
    .addOption(
      new Option("--size <bytes>", "of each frame (source)")
        .default(64)
        .argParser(checked(parseInteger(18, 65_550))),
    )
    .option("--workers", "serve each transmit queue in a worker thread of its own (sink)")
    .addOption(ringModeOption("event"))
    .option("--mtu", "let the front-end tell its guest's MTU (QEMU: host_mtu=)")
    .option("--pcap <file>", "write what passes to this file, which must not exist yet")
    .option("--force", "write over the file of --pcap")
    .option("--json", "print the counters as one JSON document at the end")
    .addHelpText(
      "after",
      "\nExamples:\n  $ vhost-user serve net --socket net.sock --traffic respond --pcap guest.pcap" +
        "\n  $ vhost-user serve net --socket net.sock --traffic source --rate 1000 --size 1514" +
        qemuHelp(
          [
            "-chardev socket,id=net0,path=net.sock -netdev vhost-user,id=net0,chardev=net0",
            "-device virtio-net-pci,netdev=net0,vectors=0",
          ],
          "; QEMU 7.2 without KVM needs vectors=0",
        ),
    );
  net.action(async (options) => {
    const { serveNet } = await import("./net.ts");
    await serveNet(options, context);
  });
  return net as unknown as Command;
}
