import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked } from "../../options.ts";
import { parseDuration, parseSize } from "../../units.ts";
import { qemuHelp } from "../../commands/serve/qemu-help.ts";
import { backendCommand } from "../../commands/serve/common-command.ts";

export function serveRngCommand(context: Context): Command {
  const rng = backendCommand("rng", "an entropy device: random bytes of the kernel's generator")
    .option(
      "--max-bytes <size>",
      "random bytes that all front-ends together get in one period, e.g. 4K; default: no limit",
      checked(parseSize),
    )
    .addOption(
      new Option("--period <duration>", "the period of --max-bytes")
        .default(60_000, "1m")
        .argParser(checked(parseDuration)),
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ vhost-user serve rng --socket rng.sock --max-bytes 64K --period 1s" +
        qemuHelp([
          "-chardev socket,id=rng0,path=rng.sock",
          "-device vhost-user-rng-pci,chardev=rng0",
        ]) +
        "\nin the guest:\n  $ dd if=/dev/hwrng bs=32 count=1 | od -An -tx1",
    );
  rng.action(async (options) => {
    const { serveRng } = await import("./serve.ts");
    await serveRng(options, context);
  });
  return rng;
}
