import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import {
  checked,
  groupCommand,
  jsonFileOption,
  jsonOption,
  judgingCommand,
  junitOption,
} from "../../options.ts";
import { parseInteger } from "../../units.ts";

/** Values of options that a group does not have or the user leaves out. */
export const DEFAULTS = { clients: 10, rounds: 10, connections: 200 } as const;

type Setting = keyof typeof DEFAULTS | "socket";

/** The groups, with the settings that each of them uses. */
const GROUPS = {
  basic: {
    description:
      "message structures, mock server conversations, error handling; needs nothing else",
    settings: [],
  },
  qemu: { description: "real QEMU and qemu-storage-daemon", settings: [] },
  perf: {
    description: "latency of connections and requests, throughput",
    settings: ["socket", "connections"],
  },
  stress: {
    description: "many clients at once, connection storms, clients that die",
    settings: ["clients", "rounds"],
  },
  all: { description: "all of them", settings: ["socket", "connections", "clients", "rounds"] },
} as const satisfies Record<string, { description: string; settings: readonly Setting[] }>;

/** A group of tests, or all of them. */
export type TestGroupName = keyof typeof GROUPS;

const OPTIONS: Readonly<Record<keyof typeof DEFAULTS, () => Option>> = {
  clients: () =>
    new Option("--clients <number>", "clients at once (stress)")
      .default(DEFAULTS.clients)
      .argParser(checked(parseInteger(1, 1000))),
  rounds: () =>
    new Option("--rounds <number>", "how many rounds to run (stress); nothing may grow over them")
      .default(DEFAULTS.rounds)
      .argParser(checked(parseInteger(4, 1000))),
  connections: () =>
    new Option("--connections <number>", "connections to measure (perf)")
      .default(DEFAULTS.connections)
      .argParser(checked(parseInteger(10, 100_000))),
};

export function addTestCommand(program: Command, context: Context): void {
  const test = groupCommand("test").description("the test suite; exit code 0 or 1");
  for (const [name, { description, settings }] of Object.entries(GROUPS)) {
    const command = judgingCommand(name)
      .description(description)
      .addOption(jsonOption)
      .addOption(jsonFileOption)
      .addOption(junitOption);
    for (const setting of settings) {
      if (setting === "socket")
        command.argument("[socket]", "path of a listening block back-end to measure (perf)");
      else command.addOption(OPTIONS[setting]());
    }
    command.action(async () => {
      const { runTests } = await import("./run.ts");
      const [socket] = command.args;
      await runTests(name as TestGroupName, { ...command.opts(), socket }, context);
    });
    test.addCommand(command);
  }
  program.addCommand(test);
}
