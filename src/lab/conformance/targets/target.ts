import type { WaitOptions } from "../../../core/base/index.ts";
import type { ProcessFigures, UnixSocket } from "../../../core/os/index.ts";

/** How a target's process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** The process behind a target. */
export interface TargetProcess {
  readonly pid: number;
  /** Undefined while it runs, and where its end cannot be seen. */
  readonly end: ProcessEnd | undefined;
  /** Undefined once it is gone, or where the system does not let us look. */
  figures(): ProcessFigures | undefined;
}

/** What happened to a target since it was last asked. */
export interface TargetReport {
  /** Processes that ended, however often it was started again; those that the suite ended are none. */
  readonly ends: readonly ProcessEnd[];
  /** What they printed. */
  readonly output: string;
}

/** A program that the suite starts, as its command line has it. */
export interface TargetProgram {
  /** The words of the command; in them `{socket}` is the path on which it is to listen. */
  readonly words: readonly string[];
  /** That path, of the target itself. */
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
  /** For people: a path or a command. */
  readonly name: string;
  /**
   * A new connection; starts the process again where it is gone and the target knows how.
   *
   * @throws {ConnectError | TimeoutError | PeerClosedError} nothing listens, and the target cannot
   * be started
   */
  connect(options?: WaitOptions): Promise<UnixSocket>;
  /** Undefined if unknown. */
  readonly process: TargetProcess | undefined;
  /** Undefined if the suite does not start it, or not by words of its own (a shell's command). */
  readonly program?: TargetProgram | undefined;
  /** What happened since this was called before. */
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
