import { type Command, Option } from "@commander-js/extra-typings";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  groupCommand,
  strictOption,
  timeoutOption,
} from "../../options.ts";
import { parseInteger, parseList, parseSize } from "../../units.ts";

const words = checked(parseList((text) => text));

export function addServeCommand(program: Command, context: Context): void {
  const block = commonCommand("block")
    .description("a block device over an image file or memory")
    .option("--socket <path>", "listen here; any number of front-ends at once")
    .option("--connect <path>", "connect to a front-end that listens here, again when it leaves")
    .addOption(new Option("--image <file>", "what the disk holds").conflicts("size"))
    .addOption(
      new Option(
        "--size <bytes>",
        "a disk in memory; default 64M when there is no --image",
      ).argParser(checked(parseSize)),
    )
    .option("--read-only", "refuse writes")
    .addOption(
      new Option("--queues <number>", "request queues")
        .default(1)
        .argParser(checked(parseInteger(1, 256))),
    )
    .option(
      "--features <list>",
      "offer these features and no others (names, bit numbers, masks)",
      words,
    )
    .option("--without <list>", "do not offer these features", words)
    .option(
      "--fault <fault>",
      "break a rule on purpose: NAME[@request[:n]]; may be repeated",
      (text: string, all: string[]) => [...all, text],
      [] as string[],
    )
    .option("--list-faults", "list what --fault can do, and end")
    .addOption(strictOption)
    .addOption(timeoutOption)
    .addHelpText(
      "after",
      "\nExamples:\n  $ vhost-user serve block --socket disk.sock --image disk.img" +
        "\n  $ vhost-user serve block --socket disk.sock --fault no-reply@GET_CONFIG",
    );
  block.action(async (options) => {
    const { serveBlock } = await import("./run.ts");
    await serveBlock(options, context);
  });
  const serve = groupCommand("serve").description(
    "be a back-end: what guests and other front-ends run on",
  );
  serve.addCommand(block as unknown as Command);
  program.addCommand(serve as unknown as Command);
}
