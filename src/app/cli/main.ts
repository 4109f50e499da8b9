import { CommanderError } from "commander";
import { asError, explainCode, ProtocolError, VhostUserError } from "../../core/base/index.ts";
import {
  CleanUpError,
  exitCodeOf,
  ExitCode,
  INTERRUPT_SIGNALS,
  InterruptError,
  type InterruptSignal,
} from "./exit-code.ts";
import { isHangupIgnored } from "./hangup.ts";
import { ERROR_PREFIX } from "./options.ts";
import { Output } from "./output.ts";
import { createProgram } from "./program.ts";

const PROTOCOL_REMEDY = "is this the socket of a vhost-user peer? -v prints each message that came";

/** A terminal signals npm and us, and npm hands it on besides: that is one Ctrl-C and not two. */
const SAME_SIGNAL_MS = 1000;

/** Runs the command line and sets the process's exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const { stdout, stderr } = process;
  // A reader that closes the pipe is not an error.
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // Writing to a terminal that was closed fails with EIO.
      if (error.code !== "EPIPE" && !(error.code === "EIO" && stream.isTTY)) throw error;
      process.exitCode ??= ExitCode.Ok;
    });
  }
  const debug = args.includes("--debug");
  const quiet = args.includes("--quiet") || args.includes("-q");
  const output = new Output({ stdout, stderr, quiet });
  const interrupt = new AbortController();
  abortOnSignals(interrupt, output);
  try {
    const program = await createProgram({ output, signal: interrupt.signal }, args);
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    // Whatever failed after a signal did so because of it, except for the clean-up.
    const { aborted, reason } = interrupt.signal;
    const isCause = aborted && !(error instanceof CleanUpError);
    process.exitCode = report(isCause ? reason : error, output, debug);
  } finally {
    output.clearProgress();
  }
}

/**
 * A signal asks the command to clean up and end; the next one, if it takes long, ends it. The handlers
 * stay: a signal that comes after the last step does not change the exit code.
 */
function abortOnSignals(interrupt: AbortController, output: Output): void {
  let first = 0;
  const onSignal = (signal: InterruptSignal): void => {
    const reason = new InterruptError(signal);
    if (!interrupt.signal.aborted) {
      first = performance.now();
      interrupt.abort(reason);
    } else if (performance.now() - first > SAME_SIGNAL_MS) {
      output.clearProgress();
      process.exit(reason.exitCode);
    }
  };
  const ignore = (): void => undefined;
  for (const signal of INTERRUPT_SIGNALS)
    process.on(signal, signal === "SIGHUP" && isHangupIgnored() ? ignore : () => onSignal(signal));
}

function report(error: unknown, output: Output, debug: boolean): number {
  if (error instanceof CommanderError) {
    // Help and version come as errors, too; commander has printed what there is to say.
    return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  }
  const exitCode = exitCodeOf(error);
  const message = asError(error).message;
  output.error(
    `${ERROR_PREFIX}${exitCode === ExitCode.Internal ? "internal error: " : ""}${message}`,
  );
  if (error instanceof ProtocolError) output.error(PROTOCOL_REMEDY);
  if (debug && VhostUserError.isVhostUserError(error)) output.error(situationOf(error));
  if (debug && error instanceof Error) {
    output.error(error.stack ?? "");
    if (error.cause instanceof Error) output.error(`caused by: ${error.cause.stack ?? ""}`);
  } else if (exitCode === ExitCode.Internal && !VhostUserError.isVhostUserError(error)) {
    output.error("this is a bug; run again with --debug and report what it prints");
  }
  return exitCode;
}

/** The entry of the reference of errors. */
function situationOf({ code }: VhostUserError): string {
  const { meaning, remedy } = explainCode(code) ?? { meaning: "", remedy: "" };
  return `${code}: ${meaning} ${remedy}`.trimEnd();
}
