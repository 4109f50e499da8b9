import { dirname, join } from "node:path";
import { reachablePath } from "../../../../core/os/index.ts";
import { ManagedProcess, waitUntilListening } from "../../../programs/index.ts";
import { CaseSkip } from "../../../engine/index.ts";
import { fillIn, wordsWithPlace } from "../../targets/words.ts";
import { Monitor } from "./monitor.ts";
import type { FrontendRun, FrontendTarget } from "./target.ts";

/** A front-end has nothing to lose; QEMU that waits for its back-end does not end by SIGTERM. */
const GRACE_MS = 500;

/** The options for starting a front-end. */
export interface FrontendProgramOptions {
  /** Runs the command by `/bin/sh -c`. */
  readonly shell?: boolean | undefined;
  /** Milliseconds that its monitor may take. */
  readonly timeoutMs: number;
}

/**
 * A front-end that the suite starts. In its command line `{socket}` is the path of the
 * suite's back-end, `{qmp}` for a path on which its monitor listens, `{dir}` is a folder.
 *
 * @example
 * ```ts
 * import { FrontendProgram } from "vhost-user/conformance";
 *
 * const target = new FrontendProgram("my-vmm --vhost-user {socket}", { timeoutMs: 5000 });
 * console.log(target.name);
 * ```
 */
export class FrontendProgram implements FrontendTarget {
  readonly name: string;
  readonly hasMonitor: boolean;
  readonly #words: readonly string[];
  readonly #timeoutMs: number;

  /** @throws {UsageError} the command has no words, or no `{socket}` */
  constructor(command: string, { shell = false, timeoutMs }: FrontendProgramOptions) {
    this.name = command;
    this.hasMonitor = command.includes("{qmp}");
    this.#words = wordsWithPlace(command, shell);
    this.#timeoutMs = timeoutMs;
  }

  async start(socketPath: string): Promise<FrontendRun> {
    const folder = dirname(socketPath);
    const qmp = join(folder, "qmp.sock");
    const [program = "", ...args] = fillIn(this.#words, { socket: socketPath, qmp, dir: folder });
    const started = await ManagedProcess.spawn(program, args);
    const { hasMonitor } = this;
    const timeoutMs = this.#timeoutMs;
    let monitor: Promise<Monitor> | undefined;
    const connect = async (): Promise<Monitor> => {
      if (!hasMonitor) throw new CaseSkip("the command has no {qmp}");
      await waitUntilListening(qmp, { timeoutMs, process: started });
      return Monitor.connect(reachablePath(qmp, started.pid), timeoutMs);
    };
    return {
      get end() {
        return started.exit;
      },
      get output() {
        return started.output;
      },
      ended: started.exited,
      monitor: async () => (monitor ??= connect()),
      stop: async () => {
        await started.stop({ graceMs: GRACE_MS });
        // It may have been on its way until then.
        (await monitor?.catch(() => undefined))?.close();
      },
    };
  }
}
