import { Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./units.ts";

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
  "judge messages as the specification has them, not as real peers send them",
);
