import type { ProcessEnd } from "../../targets/target.ts";

/** Controls a machine by the commands of QEMU's monitor protocol. */
export interface Machine {
  /** @throws {Error} it refuses, or does not answer */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** A front-end that runs. */
export interface FrontendRun {
  /** The end of the process; undefined while it runs. */
  readonly end: ProcessEnd | undefined;
  /** Resolves once it has ended. */
  readonly ended: Promise<ProcessEnd>;
  /** The output of the front-end so far. */
  readonly output: string;
  /**
   * Connects to its monitor (QMP).
   *
   * @throws {CaseSkip} it has none
   */
  monitor(): Promise<Machine>;
  /** Ends it, where it still runs. */
  stop(): Promise<void>;
}

/** A front-end under test: every check starts it again, or waits until it reconnects. */
export interface FrontendTarget {
  /** The name for reports: the command. */
  readonly name: string;
  /** True if there is a monitor. */
  readonly hasMonitor: boolean;
  /**
   * The socket path of a front-end that the suite does not start; otherwise each run has a new
   * path.
   */
  readonly socketPath?: string | undefined;
  /** Starts it; it is to find its back-end on `socketPath`, in a folder that exists. */
  start(socketPath: string): Promise<FrontendRun>;
}
