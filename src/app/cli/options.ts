import { Command, InvalidArgumentError, Option } from "commander";
import { FAIL_ON, type FailOn } from "../../lab/results/verdict.ts";
import { RING_MODES, type RingMode } from "../../core/runtime/mode.ts";
import { parseChoice, parseDuration, parseList } from "./units.ts";

/** Makes a parser's complaint a complaint about the option. */
export function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

/** The prefix of every error. */
export const ERROR_PREFIX = "vhost-user: ";

/** A command whose usage errors are thrown, and printed with {@link ERROR_PREFIX}. */
export function bareCommand(name: string) {
  return new Command(name).exitOverride().configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, ERROR_PREFIX)),
  });
}

/** A command that only has subcommands: options of its own would be taken away from those. */
export function groupCommand(name: string) {
  return bareCommand(name);
}

/** A command with the options that all have. */
export function commonCommand(name: string) {
  return bareCommand(name)
    .option("-v, --verbose", "print each message")
    .option("-q, --quiet", "print results and errors only")
    .option("--debug", "print stack traces");
}

export const timeoutOption = new Option(
  "--timeout <duration>",
  "how long the peer may take to answer in the handshake",
)
  .default(5000, "5s")
  .argParser(checked(parseDuration));

export const strictOption = new Option(
  "--strict",
  "judge messages by the letter of the specification, not as real peers send them",
);

const RING_MODE =
  "when rings are read; event: after a kick or call; poll: all the time; " +
  "hybrid: for a moment after the last request, then as event";

/** How the rings of a command are run. */
export function ringModeOption(initial: RingMode) {
  return new Option("--ring-mode <mode>", RING_MODE)
    .default(initial)
    .argParser(checked(parseChoice(RING_MODES)));
}

/** The same for a command that makes one run for each of several modes. */
export function ringModesOption(initial: readonly RingMode[]) {
  return new Option("--ring-mode <list>", RING_MODE)
    .default(initial, initial.join(","))
    .argParser(checked(parseList(parseChoice(RING_MODES))));
}

export const failOnOption = new Option(
  "--fail-on <verdict>",
  "the least verdict that fails the run: fail or warn",
)
  .default("fail" as FailOn)
  .argParser(checked(parseChoice(FAIL_ON)));
