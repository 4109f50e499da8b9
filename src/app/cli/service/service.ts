import type { Context } from "../context.ts";
import { notifyManager } from "./notify.ts";
import { PidFile } from "./pid-file.ts";

/** The notifications of a back-end to the system that runs it. */
export class Service {
  readonly #output: Context["output"];
  readonly #notifySocket: string | undefined;
  readonly #pidFilePath: string | undefined;
  #pidFile: PidFile | undefined;
  #isReady = false;
  #isStopping = false;

  /** @param notifySocket the value of NOTIFY_SOCKET */
  constructor(
    { output }: Pick<Context, "output">,
    options: { readonly notifySocket: string | undefined; readonly pidFile: string | undefined },
  ) {
    this.#output = output;
    this.#notifySocket = options.notifySocket;
    this.#pidFilePath = options.pidFile;
  }

  /**
   * Writes the pid file, once.
   *
   * @throws {UsageError} the file names a process that runs, or is not a pid file
   * @throws {EnvironmentError} it cannot be written
   */
  writePidFile(): void {
    if (this.#pidFilePath !== undefined) this.#pidFile ??= PidFile.create(this.#pidFilePath);
  }

  /** Front-ends are served: writes the pid file and reports READY. Idempotent. */
  ready(): void {
    if (this.#isReady) return;
    this.writePidFile();
    this.#isReady = true;
    this.#notify("READY=1");
  }

  /** The process is about to end. Idempotent. */
  stopping(): void {
    if (this.#isStopping || !this.#isReady) return;
    this.#isStopping = true;
    this.#notify("STOPPING=1");
  }

  /**
   * Removes the pid file. Idempotent.
   *
   * @throws Node's errors of unlink(2)
   */
  close(): void {
    this.#pidFile?.remove();
    this.#pidFile = undefined;
  }

  #notify(state: string): void {
    const problem = notifyManager(this.#notifySocket, state);
    if (problem !== undefined) this.#output.error(problem);
  }
}
