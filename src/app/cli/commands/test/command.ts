import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  commonCommand,
  groupCommand,
  jsonFileOption,
  jsonOption,
  junitOption,
} from "../../options.ts";
import { parseInteger } from "../../units.ts";

const DESCRIPTIONS = {
  basic: "message structures, mock server conversations, error handling; needs nothing else",
  qemu: "real QEMU and qemu-storage-daemon",
  perf: "latency of connections and requests, throughput",
  stress: "many clients at once, connection storms, clients that die",
  all: "all of them",
} as const;

export function addTestCommand(program: Command, context: Context): void {
  const test = groupCommand("test").description("the test suite; exit code 0 or 1");
  for (const [name, description] of Object.entries(DESCRIPTIONS)) {
    const command = commonCommand(name)
      .description(description)
      .argument("[socket]", "path of a listening block back-end to measure (perf)")
      .addOption(jsonOption)
      .addOption(jsonFileOption)
      .addOption(junitOption)
      .addOption(
        new Option("--clients <number>", "clients at once (stress)")
          .default(10)
          .argParser(checked(parseInteger(1, 1000))),
      )
      .addOption(
        new Option(
          "--rounds <number>",
          "how many rounds to run (stress); nothing may grow over them",
        )
          .default(10)
          .argParser(checked(parseInteger(4, 1000))),
      )
      .addOption(
        new Option("--connections <number>", "connections to measure (perf)")
          .default(200)
          .argParser(checked(parseInteger(10, 100_000))),
      )
      .action(async (socket, options) => {
        const { runTests } = await import("./run.ts");
        await runTests(name as keyof typeof DESCRIPTIONS, { ...options, socket }, context);
      });
    test.addCommand(command as unknown as Command);
  }
  program.addCommand(test as unknown as Command);
}
