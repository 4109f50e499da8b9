import { Command } from "@commander-js/extra-typings";
import { addCheckCommand } from "./commands/check/command.ts";
import { addCleanCommand } from "./commands/clean/command.ts";
import { addDemoCommand } from "./commands/demo/command.ts";
import { addIoCommand } from "./commands/io/command.ts";
import { addProbeCommand } from "./commands/probe/command.ts";
import { addQemuCommand } from "./commands/qemu/command.ts";
import { addServeCommand } from "./commands/serve/command.ts";
import { addTestCommand } from "./commands/test/command.ts";
import type { Context } from "./context.ts";
import { version } from "./version.ts";

/** The command line. Definitions only: what a command does is loaded when it runs. */
export function createProgram(context: Context): Command {
  const program = new Command("vhost-user")
    .description("vhost-user without a virtual machine: test back-ends and front-ends, do real I/O")
    .version(version(), "-V, --version")
    .showHelpAfterError("(add --help for what is possible)")
    .exitOverride();
  addDemoCommand(program, context);
  addProbeCommand(program, context);
  addIoCommand(program, context);
  addServeCommand(program, context);
  addTestCommand(program, context);
  addQemuCommand(program, context);
  addCheckCommand(program, context);
  addCleanCommand(program, context);
  program.addHelpText("after", EXIT_CODES);
  return program;
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 something failed, 2 wrong usage, 3 target unreachable or handshake failed,
4 a needed program, permission or limit is missing, 70 internal error, 130/143 interrupted.`;
