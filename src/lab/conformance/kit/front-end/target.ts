import type { ProcessEnd } from "../../targets/target.ts";

/** What a machine is driven by; the commands are those of QEMU's monitor protocol. */
export interface Machine {
  /** @throws {Error} it refuses, or does not answer */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** A front-end that runs. */
export interface FrontendRun {
  /** Undefined while it runs. */
  readonly end: ProcessEnd | undefined;
  /** Resolves once it has ended. */
  readonly ended: Promise<ProcessEnd>;
  /** What it printed so far. */
  readonly output: string;
  /**
   * Its monitor (QMP).
   *
   * @throws {CaseSkip} it has none
   */
  monitor(): Promise<Machine>;
  /** Ends it, where it still runs. */
  stop(): Promise<void>;
}

/** A front-end under test: every check starts it again, or waits until it reconnects. */
export interface FrontendTarget {
  /** For people: the command. */
  readonly name: string;
  /** True if there is a monitor. */
  readonly hasMonitor: boolean;
  /**
   * Where it looks for its back-end, of one that the suite does not start; else a new path each
   * time.
   */
  readonly socketPath?: string | undefined;
  /** Starts it; it is to find its back-end on `socketPath`, in a folder that exists. */
  start(socketPath: string): Promise<FrontendRun>;
}
