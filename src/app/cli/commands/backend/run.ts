import { UsageError } from "../../../../core/base/index.ts";
import type { Context } from "../../context.ts";
import { parseGroup, parseMode } from "../../groups.ts";
import { parsedLate } from "../../options.ts";
import { LOG_FORMATS } from "../../output.ts";
import { passedSockets } from "../../service/activation.ts";
import { parseChoice } from "../../units.ts";
import type { BackendProgram, ProgramValues } from "./program.ts";

interface BackendProgramOptions {
  readonly socketPath?: string | undefined;
  readonly fd?: string | undefined;
  readonly socketMode?: string | undefined;
  readonly socketGroup?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly logFormat?: string | undefined;
  readonly printCapabilities?: true | undefined;
}

/** A handshake may take this long, milliseconds. */
const TIMEOUT_MS = 5000;

/**
 * Runs a back-end program by the conventions of the vhost-user specification: one socket, options of
 * its device type, until SIGTERM.
 *
 * @param type the device type
 * @param surplus words that are not options of the program
 */
export async function runBackend(
  type: string,
  program: BackendProgram,
  options: BackendProgramOptions & Readonly<Record<string, string | true | undefined>>,
  surplus: readonly string[],
  context: Context,
): Promise<void> {
  if (options.printCapabilities) {
    const features = program.options.map(({ name }) => name);
    context.output.print(JSON.stringify({ type, features }));
    return;
  }
  if (surplus.length > 0)
    throw new UsageError(
      `vhost-user-${type} has no ${surplus.join(" ")}; see --help for its options`,
    );
  const { socketPath: socket, fd, socketMode, socketGroup, pidFile, logFormat } = options;
  const passed = passedSockets(process.env, process.pid) > 0;
  if (socket !== undefined && fd !== undefined)
    throw new UsageError("--socket-path and --fd cannot be combined: each names the socket");
  if (!passed && socket === undefined && fd === undefined)
    throw new UsageError("there is no socket to serve: give --socket-path PATH or --fd NUMBER");
  // Not parsed by the options: with --print-capabilities no value is an error.
  const common = {
    socket,
    fd: fd === undefined ? undefined : parseFd(fd),
    socketMode: parsedLate("--socket-mode", socketMode, parseMode),
    socketGroup: parsedLate("--socket-group", socketGroup, parseGroup),
    pidFile,
    logFormat: parsedLate("--log-format", logFormat, parseChoice(LOG_FORMATS)),
    timeout: TIMEOUT_MS,
  };
  await program.run(common, valuesOf(program, options), context);
}

function valuesOf(
  { options: known }: BackendProgram,
  options: Readonly<Record<string, string | true | undefined>>,
): ProgramValues {
  const values = new Map<string, string | true>();
  for (const { name } of known) {
    const value = options[name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

function parseFd(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--fd: "${text}" is not the number of a descriptor such as 3`);
}
