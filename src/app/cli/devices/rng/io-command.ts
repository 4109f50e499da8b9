import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, forceOption, groupCommand, outOption } from "../../options.ts";
import { parseSize } from "../../units.ts";
import { requestCommand } from "../../commands/io/common-command.ts";

export function ioRngCommand(context: Context): Command {
  const rng = groupCommand("rng").description("an entropy device");
  rng.addCommand(
    requestCommand("read", "print random bytes: on a terminal in hexadecimal, else as they are")
      .addOption(
        new Option("--length <bytes>", "how many bytes; e.g. 4K")
          .default(32)
          .argParser(checked(parseSize)),
      )
      .option("--hex", "print them in hexadecimal in any case")
      .addOption(outOption)
      .addOption(forceOption)
      .addHelpText("after", "\nExample:\n  $ vhost-user io rng read rng.sock --length 16 --hex")
      .action(async (socket, options) => {
        const { read } = await import("./io.ts");
        await read(socket, options, context);
      }),
  );
  return rng;
}
