import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { bareCommand, checked } from "../../options.ts";
import { parseDuration } from "../../units.ts";

/** An option that may be given twice, once for each side. */
const path = (text: string, before: readonly string[] = []): string[] => [...before, text];

export function addTraceCommand(program: Command, context: Context): void {
  const command = bareCommand("trace")
    .description("go between a front-end and a back-end, and print what they say to each other")
    .addOption(
      new Option(
        "--listen <path>",
        "make the socket, and wait for the other side to connect; the front-end, or with --front-end-listens the back-end",
      ).argParser(path),
    )
    .addOption(
      new Option(
        "--connect <path>",
        "connect to the socket of the other side; the back-end, or with --front-end-listens the front-end",
      ).argParser(path),
    )
    .option(
      "--front-end-listens",
      "the front-end listens at --connect, and the back-end connects to --listen",
    )
    .addOption(
      new Option(
        "--device <type|module>",
        "device type of the target; or a module that exports a kit; default: inferred from its offer",
      ),
    )
    .addOption(
      new Option("--late <duration>", "report a reply that takes longer")
        .default(1000, "1s")
        .argParser(checked(parseDuration)),
    )
    .option("--json", "print one JSON document (a line for each event)")
    .option("-q, --quiet", "print results and errors only")
    .option("--debug", "print stack traces")
    .addHelpText(
      "after",
      `
Examples:
  $ vhost-user trace --listen trace.sock --connect disk.sock`,
    );
  command.action(async (options) => {
    const { runTrace } = await import("./run.ts");
    await runTrace(options, context);
  });
  program.addCommand(command as unknown as Command);
}
