import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { commonCommand } from "../../options.ts";

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
      "stop and remove what runs and tests of this CI job or checkout left; nothing that is not ours",
    )
    .addOption(new Option("--owner <name>", "cover what this owner started").conflicts("allOwners"))
    .option("--all-owners", "cover what any owner started, also other jobs and checkouts")
    .option("--all", "also the build output of a checkout, and what was measured about KVM")
    .option("--socket <path>", "where a socket may be left; default as qemu start")
    .option("--pid-file <path>", "where a pid file may be left")
    .option("--log <path>", "where a log may be left")
    .option("--dry-run", "only say what would be done, and who started it")
    .option("--json", "print one JSON document")
    .addHelpText("after", HELP);
  command.action(async (options) => {
    const { runClean } = await import("./run.ts");
    await runClean(options, context);
  });
  program.addCommand(command as unknown as Command);
}
