import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, ringModeOption, workersOption } from "../../options.ts";
import { ENGINE_NAMES } from "../../../../endpoints/storage/engine/engine.ts";
import { MAX_BLOCK_QUEUES } from "../../../../endpoints/devices/block/layout.ts";
import { parseInteger, parseSize } from "../../units.ts";
import { qemuHelp } from "../../commands/serve/qemu-help.ts";
import { backendCommand } from "../../commands/serve/common-command.ts";

export function serveBlockCommand(context: Context): Command {
  const block = backendCommand("block", "a block device over an image file or memory")
    .addOption(new Option("--image <file>", "file with the disk's content").conflicts("size"))
    .addOption(
      new Option(
        "--size <bytes>",
        "size of the disk in memory; default 64M when there is no --image",
      ).argParser(checked(parseSize)),
    )
    .addOption(
      new Option(
        "--null",
        "complete requests without moving data; to measure all but the storage",
      ).conflicts("image"),
    )
    .option("--read-only", "refuse writes")
    .addOption(
      new Option(
        "--engine <name>",
        "how requests are carried out: io_uring, a pool of threads, or one system call after another",
      )
        .choices(["auto", ...ENGINE_NAMES])
        .default("auto"),
    )
    .addOption(
      new Option("--direct", "bypass the page cache (O_DIRECT)").conflicts(["size", "null"]),
    )
    .addOption(
      new Option("--queues <number>", "number of queues; unused ones cost nothing")
        .default(MAX_BLOCK_QUEUES)
        .argParser(checked(parseInteger(1, MAX_BLOCK_QUEUES))),
    )
    .addOption(workersOption)
    .addOption(ringModeOption("event"))
    .addHelpText(
      "after",
      "\nExamples:\n  $ vhost-user serve block --socket disk.sock --image disk.img" +
        "\n  $ vhost-user serve block --socket disk.sock --queues 4 --workers" +
        "\n  $ vhost-user serve block --socket disk.sock --fault no-reply@GET_CONFIG" +
        qemuHelp([
          "-chardev socket,id=disk0,path=disk.sock",
          "-device vhost-user-blk-pci,chardev=disk0,bootindex=0",
        ]) +
        "\n\nSIGUSR1 has the size of --image read again: guests see a disk that grew at once.",
    );
  block.action(async (options) => {
    const { serveBlock } = await import("./serve.ts");
    await serveBlock(options, context);
  });
  return block;
}
