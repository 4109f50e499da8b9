import type { Command } from "commander";
import type { Context } from "./context.ts";
import { bareCommand } from "./options.ts";
import { version } from "./version.ts";

type AddCommand = (program: Command, context: Context) => Promise<void> | void;

/** In the order in which help names them. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ["demo", async () => (await import("./commands/demo/command.ts")).addDemoCommand],
  ["probe", async () => (await import("./commands/probe/command.ts")).addProbeCommand],
  ["io", async () => (await import("./commands/io/command.ts")).addIoCommand],
  ["serve", async () => (await import("./commands/serve/command.ts")).addServeCommand],
  ["backend", async () => (await import("./commands/backend/command.ts")).addBackendCommand],
  ["migrate", async () => (await import("./commands/migrate/command.ts")).addMigrateCommand],
  ["bench", async () => (await import("./commands/bench/command.ts")).addBenchCommand],
  ["stress", async () => (await import("./commands/stress/command.ts")).addStressCommand],
  ["test", async () => (await import("./commands/test/command.ts")).addTestCommand],
  ["conform", async () => (await import("./commands/conform/command.ts")).addConformCommand],
  ["matrix", async () => (await import("./commands/matrix/command.ts")).addMatrixCommand],
  ["qemu", async () => (await import("./commands/qemu/command.ts")).addQemuCommand],
  ["check", async () => (await import("./commands/check/command.ts")).addCheckCommand],
  ["clean", async () => (await import("./commands/clean/command.ts")).addCleanCommand],
]);

/**
 * The command line. Definitions only, and only that of the command that is asked for, where the
 * first word names one: what a command does is loaded when it runs.
 */
export async function createProgram(context: Context, args: readonly string[]): Promise<Command> {
  const program = bareCommand("vhost-user")
    .description("vhost-user without a virtual machine: test back-ends and front-ends, do real I/O")
    .version(version(), "-V, --version")
    .showHelpAfterError("(add --help for what is possible)");
  const asked = COMMANDS.get(args[0] ?? "");
  for (const load of asked ? [asked] : COMMANDS.values()) await (await load())(program, context);
  program.addHelpText("after", EXIT_CODES);
  return program;
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 something failed, 2 wrong usage, 3 target unreachable or handshake failed,
4 a needed program, permission or limit is missing, 70 internal error, 129/130/143 ended
by SIGHUP, SIGINT or SIGTERM.`;
