import type { WaitOptions } from "../../../core/base/index.ts";
import {
  listenerProcessId,
  type ProcessFigures,
  processFigures,
  type UnixSocket,
} from "../../../core/os/index.ts";
import { connectSocket } from "../../../core/transport/index.ts";
import type { Target, TargetProcess, TargetReport } from "./target.ts";

/**
 * A back-end that another process runs and that listens on a path.
 *
 * @example
 * ```ts
 * import { checks, runChecks, SocketTarget } from "vhost-user/conformance";
 *
 * const target = new SocketTarget("disk.sock");
 * console.log(target.name, checks.length, typeof runChecks);
 * await target.close();
 * ```
 */
export class SocketTarget implements Target {
  readonly name: string;
  #process: TargetProcess | undefined;

  constructor(path: string) {
    this.name = path;
  }

  async connect(options: WaitOptions = {}): Promise<UnixSocket> {
    return connectSocket(this.name, options);
  }

  /** The process that listens there, where it is visible. Its end is not. */
  get process(): TargetProcess | undefined {
    if (this.#process?.figures() === undefined) {
      const pid = listenerProcessId(this.name);
      this.#process = pid === undefined ? undefined : strangersProcess(pid);
    }
    return this.#process;
  }

  takeReport(): TargetReport {
    return { ends: [], output: "" };
  }

  async close(): Promise<void> {
    // It is not ours.
  }
}

function strangersProcess(pid: number): TargetProcess {
  const figures = (): ProcessFigures | undefined => processFigures(pid);
  return { pid, end: undefined, figures };
}
