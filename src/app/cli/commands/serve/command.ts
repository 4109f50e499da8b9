import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, groupCommand, ringModeOption, workersOption } from "../../options.ts";
import { MAX_BLOCK_QUEUES } from "../../../../endpoints/devices/block/layout.ts";
import { parseInteger, parseSize } from "../../units.ts";
import { qemuHelp } from "./qemu-help.ts";
import { backendCommand } from "./common-command.ts";
import { serveFsCommand } from "./fs-command.ts";
import { serveNetCommand } from "./net-command.ts";

export function addServeCommand(program: Command, context: Context): void {
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
    const { serveBlock } = await import("./run.ts");
    await serveBlock(options, context);
  });
  const serve = groupCommand("serve").description(
    "be a back-end: what guests and other front-ends run on",
  );
  serve.addCommand(block as unknown as Command);
  serve.addCommand(serveNetCommand(context));
  serve.addCommand(serveFsCommand(context));
  program.addCommand(serve as unknown as Command);
}
