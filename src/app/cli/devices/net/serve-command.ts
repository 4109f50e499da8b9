import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, forceOption, jsonOption, ringModeOption, workersOption } from "../../options.ts";
import { parseChoice, parseInteger } from "../../units.ts";
import { qemuHelp } from "../../commands/serve/qemu-help.ts";
import { backendCommand } from "../../commands/serve/common-command.ts";
import { DEVICE_MAC, TRAFFIC, type Traffic } from "./traffic.ts";

export function serveNetCommand(context: Context): Command {
  const net = backendCommand(
    "net",
    "a network device with one station, or a traffic tool, behind it",
  )
    .addOption(
      new Option(
        "--traffic <kind>",
        "respond: answer ARP, ping and DHCP, send UDP back, refuse TCP; echo: send everything back, addresses exchanged; " +
          "sink: take everything; source: send test frames",
      )
        .default<Traffic>("respond")
        .argParser(checked(parseChoice(TRAFFIC))),
    )
    .addOption(
      new Option("--queues <number>", "number of queues; pairs of a receive and a transmit queue")
        .default(1)
        .argParser(checked(parseInteger(1, 128))),
    )
    .option("--mac <mac>", "our MAC address; of the station behind the device", "52:54:00:00:00:01")
    .option(
      "--control-queue",
      "use a control queue; offers one, and a configuration space with --device-mac, to front-ends " +
        "that leave both to the back-end (not QEMU)",
    )
    .option(
      "--device-mac <mac>",
      `MAC address of the device, with --control-queue; default ${DEVICE_MAC}`,
    )
    .option("--address <address/prefix>", "address of that station (respond)", "10.0.2.1/24")
    .option(
      "--lease <address>",
      "address that DHCP assigns (respond); default: the one after --address",
    )
    .addOption(
      new Option(
        "--rate <number>",
        "how many a second; frames (source); default: as fast as possible",
      ).argParser(checked(parseInteger(1, 10_000_000))),
    )
    .addOption(
      new Option(
        "--count <number>",
        "how many; frames to send (source); default: no end",
      ).argParser(checked(parseInteger(1, 2 ** 31 - 1))),
    )
    .addOption(
      new Option("--frame-size <bytes>", "bytes of each frame (source)")
        .default(64)
        .argParser(checked(parseInteger(18, 65_550))),
    )
    .addOption(workersOption)
    .addOption(ringModeOption("event"))
    .option("--mtu", "let the front-end report the MTU of its guest (QEMU: host_mtu=)")
    .option("--pcap <file>", "write frames to this file, which must not exist")
    .addOption(forceOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  $ vhost-user serve net --socket net.sock --traffic respond --pcap guest.pcap" +
        "\n  $ vhost-user serve net --socket net.sock --traffic source --rate 1000 --frame-size 1514" +
        qemuHelp(
          [
            "-chardev socket,id=net0,path=net.sock -netdev vhost-user,id=net0,chardev=net0",
            "-device virtio-net-pci,netdev=net0,vectors=0",
          ],
          "; QEMU 7.2 without KVM needs vectors=0",
        ),
    );
  net.action(async (options) => {
    const { serveNet } = await import("./serve.ts");
    await serveNet(options, context);
  });
  return net;
}
