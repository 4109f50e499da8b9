import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand, jsonOption } from "../../options.ts";

const HELP = `
The owner is --owner, else the variable VHOST_USER_OWNER, else the CI job (GitHub
Actions, GitLab, Jenkins, Buildkite, Azure, CircleCI; elsewhere CI with BUILD_ID,
BUILD_NUMBER, CI_JOB_ID, JOB_ID or RUN_ID), else the checkout around the working
directory, else the folder where vhost-user is installed.

Examples:
  $ vhost-user clean --dry-run
  $ vhost-user clean --all-owners`;

export function addCleanCommand(program: Command, context: Context): void {
  const command = commonCommand("clean")
    .description(
      "stop programs and remove files that this CI job or checkout left; all other ones stay",
    )
    .addOption(
      new Option("--owner <name>", "owner of what is started; only that is removed").conflicts(
        "allOwners",
      ),
    )
    .option("--all-owners", "remove what any owner started, also other jobs and checkouts")
    .option("--all", "also the build output of a checkout, and what was measured about KVM")
    .option("--socket <path>", "path of the socket to listen on; removed if it is ours")
    .option("--pid-file <file>", "file with the pid; removed if it is ours")
    .option("--log <file>", "file with the program's output; removed if it is ours")
    .option("--dry-run", "print what would be done; with who started it")
    .addOption(jsonOption)
    .addHelpText("after", HELP);
  command.action(async (options) => {
    const { runClean } = await import("./run.ts");
    await runClean(options, context);
  });
  program.addCommand(command);
}
