import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { bareCommand, checked, jsonOption } from "../../options.ts";
import { parseInteger } from "../../units.ts";
import { parseMoment } from "./moment.ts";

/** An option with several values. */
const moments = (text: string, before: readonly number[] = []): number[] => [
  ...before,
  checked(parseMoment)(text),
];

export function addInspectCommand(program: Command, context: Context): void {
  const command = bareCommand("inspect")
    .description("show what a captured session had set up at a moment")
    .argument("<file>", "a capture")
    .addOption(
      new Option("--at <moment>", "as of this time of the capture; default: its end").argParser(
        checked(parseMoment),
      ),
    )
    .addOption(
      new Option("--diff <moment...>", "print what changed between these two times").argParser(
        moments,
      ),
    )
    .addOption(
      new Option("--session <number>", "only this session; default: those that are open").argParser(
        checked(parseInteger(0, Number.MAX_SAFE_INTEGER)),
      ),
    )
    .addOption(
      new Option(
        "--device <type|module>",
        "device type of the target; or a module whose default export is a kit; default: inferred from its offer",
      ),
    )
    .addOption(jsonOption)
    .addHelpText(
      "after",
      `
A capture of trace --rings also shows the chains that were outstanding.

Examples:
  $ vhost-user inspect session.jsonl
  $ vhost-user inspect session.jsonl --at 1.5s
  $ vhost-user inspect session.jsonl --diff 20ms 1.5s`,
    );
  command.action(async (file, options) => {
    const { inspectCapture } = await import("./run.ts");
    await inspectCapture(file, options, context);
  });
  program.addCommand(command as unknown as Command);
}
