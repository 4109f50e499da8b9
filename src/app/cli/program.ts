import type { Command, CommandUnknownOpts } from "commander";
import { COMMANDS } from "./commands/index.ts";
import type { Context } from "./context.ts";
import { bareCommand } from "./options.ts";
import { version } from "./version.ts";

/**
 * The command line. Definitions only, and only that of the command that is asked for, where the
 * first word names one: what a command does is loaded when it runs.
 */
export async function createProgram(context: Context, args: readonly string[]): Promise<Command> {
  const program = bareCommand("vhost-user")
    .description("vhost-user without a virtual machine: test back-ends and front-ends, do real I/O")
    .version(version(), "-V, --version");
  const asked = COMMANDS.get(args[0] ?? "");
  for (const load of asked ? [asked] : COMMANDS.values()) await (await load())(program, context);
  program.addHelpText("after", EXIT_CODES);
  nameHelp(program, program.name());
  return program;
}

/** Has wrong usage of a command, and of those below it, end with the line that prints its help. */
function nameHelp(command: CommandUnknownOpts, path: string): void {
  command.showHelpAfterError(`see ${path} --help`);
  for (const each of command.commands) nameHelp(each, `${path} ${each.name()}`);
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 something failed, 2 wrong usage, 3 target unreachable or handshake failed,
4 a needed program, permission or limit is missing, 70 internal error, 129/130/143 ended
by SIGHUP, SIGINT or SIGTERM.`;
