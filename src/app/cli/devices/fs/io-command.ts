import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { forceOption, groupCommand, jsonOption, outOption } from "../../options.ts";
import { requestCommand } from "../../commands/io/common-command.ts";

const PATH = "in the shared folder, from its root; bytes that are not text are written \\xNN";

export function ioFsCommand(context: Context): Command {
  const load = async () => import("./io.ts");
  const fs = groupCommand("fs").description("a file system device");
  fs.addCommand(
    requestCommand("ls", "list a folder")
      .argument("[path]", PATH, "/")
      .addOption(jsonOption)
      .action(async (socket, path, options) => (await load()).ls(socket, path, options, context)),
  );
  fs.addCommand(
    requestCommand("cat", "read a file, to another file or to standard output")
      .argument("<path>", PATH)
      .addOption(outOption)
      .addOption(forceOption)
      .addHelpText(
        "after",
        "\nExample:\n  $ vhost-user io fs cat fs.sock /notes.txt --out notes.txt",
      )
      .action(async (socket, path, options) => (await load()).cat(socket, path, options, context)),
  );
  fs.addCommand(
    requestCommand("stat", "print the attributes of a file, folder or other entry")
      .argument("[path]", PATH, "/")
      .addOption(jsonOption)
      .action(async (socket, path, options) => (await load()).stat(socket, path, options, context)),
  );
  return fs;
}
