import type { WaitOptions } from "../../../core/base/index.ts";
import type { ProcessFigures, UnixSocket } from "../../../core/os/index.ts";

/** The end of a target's process. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** The process behind a target. */
export interface TargetProcess {
  readonly pid: number;
  /** The end of the process; undefined while it runs, or if its end cannot be seen. */
  readonly end: ProcessEnd | undefined;
  /** Reads the figures of the process; undefined once it has ended, or without permission. */
  figures(): ProcessFigures | undefined;
}

/** The events of a target since the last report. */
export interface TargetReport {
  /** Processes that ended, however often it was started again; those that the suite ended are none. */
  readonly ends: readonly ProcessEnd[];
  /** The output of its processes. */
  readonly output: string;
}

/** A program that the suite starts, as its command line has it. */
export interface TargetProgram {
  /** The words of the command; in them `{socket}` is the path on which it is to listen. */
  readonly words: readonly string[];
  /** The socket path of the target itself. */
  readonly socket: string;
  /** A folder for what checks make; it is removed with the target. */
  readonly folder: string;
  /**
   * Sends a signal to the process; an end that it causes is not a crash.
   *
   * @returns how it ended; undefined if it still runs after so long, or does not run
   */
  end(signal: NodeJS.Signals, timeoutMs: number): Promise<ProcessEnd | undefined>;
}

/** A back-end that checks are made on. */
export interface Target {
  /** The name for reports: a path or a command. */
  readonly name: string;
  /**
   * A new connection; starts the process again where it is gone and the target knows how.
   *
   * @throws {ConnectError | TimeoutError | PeerClosedError} nothing listens, and the target cannot
   * be started
   */
  connect(options?: WaitOptions): Promise<UnixSocket>;
  /** The process; undefined if it is unknown. */
  readonly process: TargetProcess | undefined;
  /** The program; undefined if the suite does not start it, or starts it by a shell. */
  readonly program?: TargetProgram | undefined;
  /**
   * Returns the path of the file that holds a disk of this size, where the target names one. Left
   * out, or undefined: it is not known.
   */
  image?(bytes: number): string | undefined;
  /** Returns the events since the previous call. */
  takeReport(): TargetReport;
  /** The process ends with each session, and {@link connect} has to wait for that. */
  oneSession?: boolean;
  /** Ends the process and starts it again; undefined if the suite does not own it. */
  readonly restart?: () => Promise<void>;
  close(): Promise<void>;
}

/** `ended by SIGSEGV`, `exited with code 1`. */
export function endText({ code, signal }: ProcessEnd): string {
  return signal === null ? `exited with code ${code}` : `ended by ${signal}`;
}
