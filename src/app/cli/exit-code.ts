import {
  ConnectError,
  DeviceError,
  EnvironmentError,
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  QueueError,
  RemoteError,
  StalledError,
  systemCode,
  SystemError,
  TimeoutError,
  UsageError,
} from "../../core/base/index.ts";

/** The exit codes of the process. */
export const ExitCode = {
  Ok: 0,
  /** The command ran, and something failed. */
  Failed: 1,
  /** Wrong usage. */
  Usage: 2,
  /** The target cannot be reached, or the handshake failed. */
  Unreachable: 3,
  /** A needed program, permission or limit is missing. */
  Environment: 4,
  /** A bug of ours. */
  Internal: 70,
  /** A command that passes on the status of a program failed itself. */
  Wrapper: 125,
  /** The terminal was closed (SIGHUP). */
  HungUp: 129,
  Interrupted: 130,
  Terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A failure whose exit code the command knows better than the table below. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Signals that end a command, and what it then exits with. */
const INTERRUPTED = {
  SIGHUP: ExitCode.HungUp,
  SIGINT: ExitCode.Interrupted,
  SIGTERM: ExitCode.Terminated,
} as const;
export type InterruptSignal = keyof typeof INTERRUPTED;
export const INTERRUPT_SIGNALS = Object.keys(INTERRUPTED) as readonly InterruptSignal[];

/** Ends a command on a signal. */
export class InterruptError extends Error {
  readonly signal: InterruptSignal;
  readonly exitCode: ExitCode;

  constructor(signal: InterruptSignal) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
    this.exitCode = INTERRUPTED[signal];
  }
}

/**
 * Something could not be closed or saved in an orderly way. A signal does not cause this, so it is
 * reported also when a signal ended the command.
 */
export class CleanUpError extends CommandError {
  constructor(message: string, options?: ErrorOptions) {
    super(ExitCode.Failed, message, options);
  }
}

const bySituation: readonly (readonly [new (...args: never[]) => Error, ExitCode])[] = [
  [UsageError, ExitCode.Usage],
  [EnvironmentError, ExitCode.Environment],
  [DeviceError, ExitCode.Failed],
  [QueueError, ExitCode.Failed],
  // A timeout, but of a target that was reached.
  [StalledError, ExitCode.Failed],
  [ConnectError, ExitCode.Unreachable],
  [TimeoutError, ExitCode.Unreachable],
  [PeerClosedError, ExitCode.Unreachable],
  [ProtocolError, ExitCode.Unreachable],
  [NegotiationError, ExitCode.Unreachable],
  [RemoteError, ExitCode.Unreachable],
];

/** System calls that fail for lack of a permission or a limit. */
const ENVIRONMENT_ERRNO = new Set([
  "EACCES",
  "EPERM",
  "EMFILE",
  "ENFILE",
  "ENOSPC",
  "ENOMEM",
  "EROFS",
]);
/** … and for a wrong argument of the user. */
const USAGE_ERRNO = new Set(["ENOENT", "EISDIR", "ENOTDIR", "EEXIST"]);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError || error instanceof InterruptError) return error.exitCode;
  const known = bySituation.find(([type]) => error instanceof type);
  if (known) return known[1];
  const code = systemCode(error) ?? "";
  if (ENVIRONMENT_ERRNO.has(code)) return ExitCode.Environment;
  if (USAGE_ERRNO.has(code)) return ExitCode.Usage;
  return error instanceof SystemError ? ExitCode.Failed : ExitCode.Internal;
}
