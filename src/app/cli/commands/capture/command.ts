import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  bareCommand,
  checked,
  forceOption,
  groupCommand,
  htmlOption,
  jsonOption,
} from "../../options.ts";
import { parseList } from "../../units.ts";

const deviceOption = (): Option =>
  new Option(
    "--device <type|module>",
    "device type of the target; or a module whose default export is a kit; default: inferred from its offer",
  );

export function addCaptureCommand(program: Command, context: Context): void {
  const group = groupCommand("capture").description("look into captures of trace --write");
  const show = bareCommand("show")
    .description("print a capture as trace prints a session")
    .argument("<file>", "a capture")
    .option("--filter <expression>", "print only these events; see --help-filter")
    .addOption(deviceOption())
    .option("--json", "print one JSON document (a line for each event)")
    .action(async (file, options) => {
      const { showCapture } = await import("./run.ts");
      await showCapture(file, options, context);
    });
  const stat = bareCommand("stat")
    .description("count what is in a capture")
    .argument("<file>", "a capture")
    .addOption(deviceOption())
    .addOption(jsonOption)
    .action(async (file, options) => {
      const { statCapture } = await import("./run.ts");
      await statCapture(file, options, context);
    });
  const filter = bareCommand("filter")
    .description("write a capture with some events of another one")
    .argument("<file>", "a capture")
    .argument("<expression>", "which events to keep; trace --help-filter explains it")
    .addOption(
      new Option(
        "--out <file>",
        "write the data to this file, which must not exist",
      ).makeOptionMandatory(),
    )
    .addOption(forceOption)
    .action(async (file, expression, options) => {
      const { filterCapture } = await import("./run.ts");
      await filterCapture(file, expression, options, context);
    });
  const diff = bareCommand("diff")
    .description("compare two captures by meaning; exit code 1: they differ")
    .argument("<before>", "a capture")
    .argument("<after>", "a capture")
    .addOption(
      new Option("--mask <list>", "leave out further differences").argParser(
        checked(parseList((text) => text)),
      ),
    )
    .addOption(deviceOption())
    .addOption(jsonOption)
    .action(async (before, after, options) => {
      const { diffCaptures } = await import("./run.ts");
      await diffCaptures(before, after, options, context);
    });
  const convert = bareCommand("export")
    .description("convert a capture for another program")
    .argument("<file>", "a capture")
    .option("--pcapng <file>", "write a file for Wireshark; -: to stdout")
    .addOption(htmlOption)
    .addOption(deviceOption())
    .addOption(forceOption)
    .addHelpText(
      "after",
      `
Wireshark needs the dissector once: vhost-user wireshark --install

Examples:
  $ vhost-user capture export session.jsonl --pcapng session.pcapng
  $ vhost-user capture export session.jsonl --html session.html`,
    )
    .action(async (file, options) => {
      const { exportCapture } = await import("./export.ts");
      await exportCapture(file, options, context);
    });
  for (const each of [show, stat, filter, diff, convert]) group.addCommand(each);
  program.addCommand(group);
}
