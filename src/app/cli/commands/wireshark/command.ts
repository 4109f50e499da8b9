import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand } from "../../options.ts";

const HELP = `
The file is vhost-user.lua in the folder of personal plugins,
~/.local/lib/wireshark/plugins. Wireshark does not run personal plugins as root
unless init.lua of its own says so.

Examples:
  $ vhost-user wireshark --install
  $ vhost-user wireshark --print > vhost-user.lua
  $ tshark -X lua_script:vhost-user.lua -r session.pcapng -Y vhost_user.violation`;

export function addWiresharkCommand(program: Command, context: Context): void {
  const command = commonCommand("wireshark")
    .description("print or install the dissector for what trace --pcapng writes")
    .addOption(new Option("--print", "print the dissector, a Lua script").conflicts("install"))
    .option("--install", "put it where Wireshark loads it; replaces only a file of its own")
    .option("--directory <folder>", "folder of plugins to install it in")
    .addHelpText("after", HELP);
  command.action(async (options) => {
    const { runWireshark } = await import("./run.ts");
    runWireshark(options, context);
  });
  program.addCommand(command);
}
