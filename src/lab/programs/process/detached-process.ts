import { spawn, type ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import { Deferred, EnvironmentError } from "../../../core/base/index.ts";
import type { ProcessExit } from "./managed-process.ts";
import { identifyProcess, type ProcessIdentity } from "./process-identity.ts";

/**
 * A program that survives this process. It is born waiting: the shell that will become the program
 * (same pid, same start time) reads one line from us first. So everything that identifies it can be
 * written down before it does anything, and if we die before that, it ends by itself.
 */
export class DetachedProcess {
  readonly identity: ProcessIdentity;
  readonly #child: ChildProcess;
  readonly #exited: Promise<ProcessExit>;
  #exit: ProcessExit | undefined;

  /**
   * @param output descriptor for stdout and stderr; stays the caller's
   * @throws {EnvironmentError} there is no process to be had
   */
  static async spawn(
    path: string,
    args: readonly string[],
    output: number,
  ): Promise<DetachedProcess> {
    const script = 'read -r go <&3 || exit 1; exec 3<&-; umask 077; exec "$@"';
    const child = spawn("/bin/sh", ["-c", script, "sh", path, ...args], {
      detached: true,
      stdio: ["ignore", output, output, "pipe"],
    });
    const started = new Deferred<void>();
    child.once("spawn", () => started.resolve());
    child.once("error", (cause) => {
      started.reject(new EnvironmentError(`cannot start a process: ${cause.message}`, { cause }));
    });
    const exited = new Deferred<ProcessExit>();
    child.once("exit", (code, signal) => exited.resolve({ code, signal }));
    await started.promise;
    const identity = identifyProcess(child.pid ?? 0);
    if (identity === undefined) {
      throw new EnvironmentError(`the process for ${path} ended before it began; try again`);
    }
    return new DetachedProcess(child, identity, exited.promise);
  }

  private constructor(
    child: ChildProcess,
    identity: ProcessIdentity,
    exited: Promise<ProcessExit>,
  ) {
    this.identity = identity;
    this.#child = child;
    this.#exited = exited.then((exit) => (this.#exit = exit));
    child.on("error", () => undefined);
    this.#gate?.on("error", () => undefined);
  }

  /** The end of the process; undefined while it runs. */
  get exit(): ProcessExit | undefined {
    return this.#exit;
  }

  /** Lets the program run. */
  begin(): void {
    this.#gate?.end("go\n");
  }

  /** Stops waiting for the process, so that this one may end first. */
  release(): void {
    this.#gate?.destroy();
    this.#child.unref();
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#exit === undefined) this.#child.kill("SIGKILL");
    await this.#exited;
    this.release();
  }

  get #gate(): Writable | undefined {
    return (this.#child.stdio[3] ?? undefined) as Writable | undefined;
  }
}
