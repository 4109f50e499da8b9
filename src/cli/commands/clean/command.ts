import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand } from "../../options.ts";

export function addCleanCommand(program: Command, context: Context): void {
  const command = commonCommand("clean")
    .description("stop and remove what runs and tests left; nothing that is not ours")
    .option("--all", "also the build output of a checkout, and what was measured about KVM")
    .option("--socket <path>", "where a socket may be left; default as qemu start")
    .option("--pid-file <path>", "where a pid file may be left")
    .option("--log <path>", "where a log may be left")
    .option("--dry-run", "only say what would be done")
    .option("--json", "print one JSON document")
    .addHelpText("after", "\nExample:\n  $ vhost-user clean --dry-run");
  command.action(async (options) => {
    const { runClean } = await import("./run.ts");
    await runClean(options, context);
  });
  program.addCommand(command as unknown as Command);
}
