import { type Command, Option } from "commander";
import { UsageError } from "../../../../core/base/index.ts";
import {
  type DeviceName,
  deviceNames,
  parseDeviceName,
} from "../../../../core/protocol/device-types.ts";
import type { Context } from "../../context.ts";
import { checked, commonCommand, strictOption, timeoutOption } from "../../options.ts";

function parseDevice(text: string): DeviceName {
  const device = parseDeviceName(text);
  if (device !== undefined) return device;
  throw new UsageError(`expected a device type such as ${deviceNames.join(", ")}, got "${text}"`);
}

export function addProbeCommand(program: Command, context: Context): void {
  const command = commonCommand("probe")
    .description("find out who listens on a socket and what it offers; starts nothing")
    .argument("<socket>", "path of a listening Unix socket")
    .addOption(
      new Option("--device <type>", "the device type, where nothing tells it").argParser(
        checked(parseDevice),
      ),
    )
    .option("--explain", "say in one line what each feature bit means")
    .option("--json", "print one JSON document")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addHelpText("after", "\nExample:\n  $ vhost-user probe /run/disk.sock --explain");
  command.action(async (socket, options) => {
    const { runProbe } = await import("./run.ts");
    await runProbe(socket, options, context);
  });
  program.addCommand(command as unknown as Command);
}
