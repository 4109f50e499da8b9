import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  blockSizeOption,
  checked,
  forceOption,
  groupCommand,
  jsonOption,
  outOption,
  overwriteOption,
  ringModesOption,
  seedOption,
} from "../../options.ts";
import { parseInteger, parseList, parseSize } from "../../units.ts";
import { requestCommand } from "../../commands/io/common-command.ts";

const offset = new Option("--offset <bytes>", "where on the device; a multiple of 512")
  .default(0, "0")
  .argParser(checked(parseSize));

const lengthOption = (): Option<
  "--length <bytes>",
  undefined,
  undefined,
  undefined,
  false,
  number
> =>
  new Option("--length <bytes>", "how many bytes; a multiple of 512").argParser(checked(parseSize));

export function ioBlockCommand(context: Context): Command {
  const load = async () => import("./io.ts");
  const block = groupCommand("block").description("a block device");

  block.addCommand(
    requestCommand("read", "read bytes, to a file or to standard output")
      .addOption(offset)
      .addOption(lengthOption().default(512, "512"))
      .addOption(outOption)
      .addOption(forceOption)
      .action(async (socket, options) => (await load()).read(socket, options, context)),
  );
  block.addCommand(
    requestCommand("write", "write bytes from a file or from standard input")
      .addOption(offset)
      .addOption(lengthOption())
      .option("--in <file>", "read the data from this file")
      .action(async (socket, options) => (await load()).write(socket, options, context)),
  );
  block.addCommand(
    requestCommand("flush", "flush what was written to stable storage").action(
      async (socket, options) => (await load()).flush(socket, options, context),
    ),
  );
  block.addCommand(
    requestCommand("id", "ask for the device's name").action(async (socket, options) =>
      (await load()).id(socket, options, context),
    ),
  );
  block.addCommand(
    requestCommand("discard", "report that a range is no longer needed")
      .addOption(offset)
      .addOption(lengthOption().makeOptionMandatory())
      .action(async (socket, options) => (await load()).discard(socket, options, context)),
  );
  block.addCommand(
    requestCommand("write-zeroes", "make a range read as zeroes")
      .addOption(offset)
      .addOption(lengthOption().makeOptionMandatory())
      .option("--unmap", "the device may deallocate the range")
      .action(async (socket, options) => (await load()).writeZeroes(socket, options, context)),
  );
  block.addCommand(
    requestCommand("verify", "write a pattern, read it back, compare; prints MiB/s")
      .option(
        "--length <bytes>",
        "how many bytes; from the beginning of the device; default: all",
        checked(parseSize),
      )
      .addOption(
        new Option("--depth <list>", "requests in flight on each queue; one run for each number")
          .default([1, 16, 128], "1,16,128")
          .argParser(checked(parseList(parseInteger(1, 32_768)))),
      )
      .addOption(ringModesOption(["poll", "event"]))
      .addOption(blockSizeOption(65_536, "64K"))
      .addOption(seedOption)
      .addOption(overwriteOption)
      .addOption(jsonOption)
      .addHelpText(
        "after",
        "\nExample:\n  $ vhost-user io block verify disk.sock --length 256M --depth 1,16,128",
      )
      .action(async (socket, options) => (await load()).verify(socket, options, context)),
  );
  return block;
}
