import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked } from "../../options.ts";
import { parseInteger } from "../../units.ts";
import { qemuHelp } from "../../commands/serve/qemu-help.ts";
import { backendCommand } from "../../commands/serve/common-command.ts";

export function serveFsCommand(context: Context): Command {
  const fs = backendCommand("fs", "a file system over a folder, read-only")
    .option("--dir <folder>", "shared folder; nothing outside of it can be reached")
    .option("--tag <tag>", "the name under which a guest mounts it", "shared")
    .addOption(
      new Option("--queues <number>", "number of queues; of requests")
        .default(1)
        .argParser(checked(parseInteger(1, 255))),
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ vhost-user serve fs --socket fs.sock --dir . --tag shared" +
        qemuHelp([
          "-chardev socket,id=fs0,path=fs.sock",
          "-device vhost-user-fs-pci,chardev=fs0,tag=shared",
        ]) +
        "\nin the guest:\n  $ mount -t virtiofs shared /mnt",
    );
  fs.action(async (options) => {
    const { serveFs } = await import("./serve.ts");
    await serveFs(options, context);
  });
  return fs;
}
