import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { checked, commonCommand, groupCommand } from "../../options.ts";
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
      .option("--json", "print one JSON document")
      .option("--json-file <file>", "write the JSON document to this file")
      .option("--junit <file>", "write JUnit XML to this file")
      .option("--socket <path>", "perf: measure the block back-end that listens here")
      .addOption(
        new Option("--clients <number>", "stress: clients at once")
          .default(10)
          .argParser(checked(parseInteger(1, 1000))),
      )
      .addOption(
        new Option("--rounds <number>", "stress: rounds over which nothing may grow")
          .default(10)
          .argParser(checked(parseInteger(4, 1000))),
      )
      .addOption(
        new Option("--connections <number>", "perf: connections that are measured")
          .default(200)
          .argParser(checked(parseInteger(10, 100_000))),
      )
      .action(async (options) => {
        const { runTests } = await import("./run.ts");
        await runTests(name as keyof typeof DESCRIPTIONS, options, context);
      });
    test.addCommand(command as unknown as Command);
  }
  program.addCommand(test as unknown as Command);
}
