import { asError } from "../../core/base/index.ts";
import { Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../../core/base/errors/index.ts";
import { FAIL_ON, type FailOn } from "../../lab/results/verdict.ts";
import { RING_MODES, type RingMode } from "../../core/runtime/mode.ts";
import { parseChoice, parseDuration, parseInteger, parseList, parseSize } from "./units.ts";

/** Makes a parser's complaint a complaint about the option. */
export function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(asError(error).message);
    }
  };
}

/**
 * Parses an option's value when the command runs, where its parser is not to run, or not to be
 * loaded, before that.
 *
 * @throws {UsageError} naming the option
 */
export function parsedLate<T>(
  option: string,
  text: string | undefined,
  parse: (text: string) => T,
): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${option}: ${reason}`, { cause });
  }
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

const VERBOSE = "print each message";
const QUIET = "print results and errors only";

/** A command with the options of every command. */
export function commonCommand(name: string) {
  return withOutputOptions(name, VERBOSE, QUIET);
}

/** A command that runs checks or tests: the same options, which say what is printed of a result. */
export function judgingCommand(name: string) {
  return withOutputOptions(
    name,
    `${VERBOSE}; of each result, all that was observed`,
    `${QUIET}; of the results, one line for each failure`,
  );
}

function withOutputOptions(name: string, verbose: string, quiet: string) {
  return bareCommand(name)
    .option("-v, --verbose", verbose)
    .option("-q, --quiet", quiet)
    .option("--debug", "print stack traces");
}

export const timeoutOption = new Option(
  "--timeout <duration>",
  "how long one answer may take in the handshake",
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

/** Makes the option `--ring-mode`. */
export function ringModeOption(initial: RingMode) {
  return new Option("--ring-mode <mode>", RING_MODE)
    .default(initial)
    .argParser(checked(parseChoice(RING_MODES)));
}

/** Makes the option `--ring-mode` of a command that makes one run for each of several modes. */
export function ringModesOption(initial: readonly RingMode[]) {
  return new Option("--ring-mode <list>", RING_MODE)
    .default(initial, initial.join(","))
    .argParser(checked(parseList(parseChoice(RING_MODES))));
}

export const failOnOption = new Option(
  "--fail-on <verdict>",
  "the least verdict that fails the run: fail or warn",
)
  .default<FailOn>("fail")
  .argParser(checked(parseChoice(FAIL_ON)));

const MAX_NUMBER = 2 ** 31 - 1;

/** Parses a count of at least one. */
export const parseCount = (most: number = MAX_NUMBER) => checked(parseInteger(1, most));

export const jsonOption = new Option("--json", "print one JSON document");
export const jsonFileOption = new Option(
  "--json-file <file>",
  "write the JSON document to this file",
);
export const junitOption = new Option("--junit <file>", "write JUnit XML to this file");
export const markdownOption = new Option("--markdown <file>", "write Markdown to this file");
export const htmlOption = new Option("--html <file>", "write one HTML page to this file");

export const execOption = new Option(
  "--exec <command>",
  "start this program as the target, and end it afterwards; {socket} in it is the socket's path",
);
export const listenOption = new Option(
  "--listen",
  "make the socket, and wait for the other side to connect",
);
export const packedOption = new Option("--packed", "use packed rings where they are offered");
export const inOrderOption = new Option(
  "--in-order",
  "have requests completed in order where that is offered",
);
export const overwriteOption = new Option("--overwrite", "write over a device that is not blank");
export const outOption = new Option(
  "--out <file>",
  "write the data to this file, which must not exist",
);
export const forceOption = new Option("--force", "replace an output file that exists");
export const workersOption = new Option("--workers", "serve each queue in a worker thread");

export const ioTimeoutOption = new Option(
  "--io-timeout <duration>",
  "how long one request may take",
)
  .default(30_000, "30s")
  .argParser(checked(parseDuration));

/** The seed of patterns and of random places. */
export const seedOption = new Option(
  "--seed <number>",
  "seed of the random data; default: random",
).argParser(checked(parseInteger(0, MAX_NUMBER)));

export const blockSizeOption = (initial: number, text: string) =>
  new Option("--block-size <bytes>", "bytes of each request")
    .default(initial, text)
    .argParser(checked(parseSize));
