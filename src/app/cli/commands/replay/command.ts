import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  execOption,
  jsonOption,
  listenOption,
  parseCount,
} from "../../options.ts";
import { parseDuration, parseInteger } from "../../units.ts";

const HELP = `
By default each message must be as recorded, except for times, descriptor numbers, user
addresses and ring indices. With --adapt only requests, success and descriptors must be:
features are reduced to what is offered, and requests that need further ones are left out.
The rings are empty: requests on them are not replayed.

Exit codes: 0 as recorded, 1 it diverged.

Examples:
  $ vhost-user replay session.jsonl disk.sock
  $ vhost-user replay session.jsonl --exec 'my-backend {socket}' --adapt --repeat 100
  $ vhost-user replay session.jsonl --front-end --exec 'my-vmm {socket}' --last 34`;

export function addReplayCommand(program: Command, context: Context): void {
  const command = commonCommand("replay")
    .description("play one side of a captured session against a program")
    .argument("<capture>", "a capture of trace --write")
    .argument("[socket]", "path of the program's socket; or --exec")
    .addOption(execOption)
    .addOption(listenOption)
    .option("--front-end", "the target is a front-end; its back-end is played")
    .option("--adapt", "accept other features and values")
    .option("--paced", "keep the recorded intervals; default: as fast as the program answers")
    .addOption(
      new Option("--repeat <number>", "run this many times").default(1).argParser(parseCount()),
    )
    .addOption(
      new Option(
        "--session <number>",
        "only this session; default: the first one of the capture",
      ).argParser(checked(parseInteger(0, Number.MAX_SAFE_INTEGER))),
    )
    .addOption(
      new Option("--last <number>", "number of the last message to play").argParser(parseCount()),
    )
    .addOption(
      new Option("--timeout <duration>", "how long one answer may take in the handshake")
        .default(5000, "5s")
        .argParser(checked(parseDuration)),
    )
    .addOption(jsonOption)
    .addHelpText("after", HELP);
  command.action(async (capture, socket, options) => {
    const { runReplay } = await import("./run.ts");
    await runReplay(capture, socket, options, context);
  });
  program.addCommand(command as unknown as Command);
}
