import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand, groupCommand, jsonOption } from "../../options.ts";
import { parseChoice, parseDuration, parseSize } from "../../units.ts";
import type { QemuOptions } from "./asked.ts";

const EXAMPLES = `
Variables: SOCKET_PATH, MEMORY_SIZE, QEMU (the program), QEMU_EXTRA_ARGS; options win.
Files: /tmp/vhost-user-test-sock, /tmp/qemu-vhost-test.pid, /tmp/qemu-vhost-test.log.

status and stop take the options that say where it is, too, and refuse a server that differs.

Examples:
  $ vhost-user qemu start
  $ vhost-user qemu start --kind block --image disk.img --socket /tmp/disk.sock
  $ vhost-user qemu start -- -trace "vhost_user_*"
  $ vhost-user qemu status --json
  $ vhost-user qemu stop`;

export function addQemuCommand(program: Command, context: Context): void {
  const qemu = groupCommand("qemu")
    .description("a real peer in the background: QEMU with a vhost-user card, or its block daemon")
    .addHelpText("after", EXAMPLES);
  const start = withStartOptions("start").description(
    "start the program; the command ends when it listens",
  );
  const restart = withStartOptions("restart").description(
    "restart the program; options that are not given stay the same",
  );
  const stop = withPlace("stop").description("stop the program and remove its socket and pid file");
  const status = withPlace("status").description(
    "print whether the program runs (exit code 0) or not (1), and the last lines of its log",
  );
  start.action(async (args, options, command) => {
    const { startQemu } = await import("./run.ts");
    await startQemu(forProgram(command, args), options, context);
  });
  restart.action(async (args, options, command) => {
    const { restartQemu } = await import("./run.ts");
    await restartQemu(forProgram(command, args), options, context);
  });
  stop.action(async (options) => {
    const { stopQemu } = await import("./run.ts");
    await stopQemu(options, context);
  });
  status.action(async (options) => {
    const { qemuStatus } = await import("./run.ts");
    await qemuStatus(options, context);
  });
  for (const command of [start, status, stop, restart]) {
    qemu.addCommand(command);
  }
  program.addCommand(qemu);
}

/** The options that identify the server: `status` and `stop` refuse one that differs. */
function withPlace(name: string) {
  return commonCommand(name)
    .addOption(
      new Option("--kind <kind>", "net: QEMU, block: qemu-storage-daemon; default net").argParser(
        checked(parseChoice(["net", "block"] satisfies QemuOptions["kind"][])),
      ),
    )
    .option("--socket <path>", "path of the socket to listen on")
    .option("--pid-file <file>", "file with the pid")
    .option("--log <file>", "file with the program's output")
    .option(
      "--image <file>",
      "file with the disk's content (block); default: a sparse file of 64 MiB",
    )
    .addOption(jsonOption);
}

function withStartOptions(name: string) {
  return withPlace(name)
    .argument("[args...]", "after --: further arguments of the program")
    .option(
      "--owner <name>",
      "owner of what is started; clean removes by owner; default: this CI job or checkout",
    )
    .addOption(
      new Option("--memory <size>", "the guest's memory (net); default 512M").argParser(
        checked(parseSize),
      ),
    )
    .addOption(
      new Option("--accel <name>", "auto, kvm or tcg (net); default auto").argParser(
        checked(parseChoice(["auto", "kvm", "tcg"] satisfies QemuOptions["accel"][])),
      ),
    )
    .addOption(
      new Option("--start-timeout <duration>", "how long it may take until it listens")
        .default(10_000, "10s")
        .argParser(checked(parseDuration)),
    );
}

/** Arguments without `--` in front are most likely misspelt options: QEMU would take them for disks. */
function forProgram(command: { parent: unknown; error(text: string): never }, args: string[]) {
  let root = command as { parent?: unknown; rawArgs?: string[] };
  while (root.parent) root = root.parent as typeof root;
  const words = root.rawArgs ?? [];
  const dashes = words.indexOf("--");
  const behind = dashes < 0 ? 0 : words.length - dashes - 1;
  if (args.length !== behind) {
    command.error(`error: unexpected argument '${args[0]}'; the program's own come after --`);
  }
  return args;
}
