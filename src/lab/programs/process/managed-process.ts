import { spawn, type ChildProcess } from "node:child_process";
import { basename } from "node:path";
import {
  Deferred,
  EnvironmentError,
  PeerClosedError,
  StateError,
  TimeoutError,
  type WaitOptions,
} from "../../../core/base/index.ts";
import { dieWithUs, forgetProcess, rememberProcess } from "./lifetime.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { missingProgramMessage, resolveProgram } from "./programs.ts";

export interface ProcessOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `ignore` (default) gives end of file at once. */
  readonly stdin?: "pipe" | "ignore" | undefined;
  /** Descriptors of ours that the child gets as 3, 4, … ; they stay ours to close. */
  readonly extraFds?: readonly number[] | undefined;
  readonly cwd?: string | undefined;
  /** Makes a program that prints through C's stdio flush each line into the pipe. */
  readonly lineBuffered?: boolean | undefined;
  /** The only stream that is kept; default: both. The other one is /dev/null. */
  readonly only?: "stdout" | "stderr" | undefined;
  /** Gets the output as it comes. */
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  /** Number of bytes of output to keep; default 256 KiB. */
  readonly outputLimitBytes?: number | undefined;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const defaultOutputLimitBytes = 256 * 1024;
const defaultGraceMs = 5000;
/** A match is searched in new output and this much before it; so a long log costs linear time. */
const longestMatchBytes = 8192;
/** Output may outlive the process in a pipe that a grandchild holds; that long we wait for it. */
const outputDrainMs = 1000;

/** A program that runs for us: its output is kept, and it never outlives us. */
export class ManagedProcess implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves, never rejects, once the process is gone and its output is read. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  readonly #output: OutputBuffer;
  readonly #watchers = new Set<() => void>();
  #exit: ProcessExit | undefined;

  /**
   * Starts `program` (a name or a path) and resolves when it runs.
   *
   * @throws {EnvironmentError} when it is missing or cannot be executed
   */
  static async spawn(
    program: string,
    args: readonly string[],
    options: ProcessOptions = {},
  ): Promise<ManagedProcess> {
    const path = resolveProgram(program);
    if (path === undefined) throw new EnvironmentError(missingProgramMessage(program));
    const stdbuf = options.lineBuffered ? resolveProgram("stdbuf") : undefined;
    const command = dieWithUs([...(stdbuf === undefined ? [] : [stdbuf, "-oL"]), path, ...args]);
    const { stdin = "ignore", only, extraFds = [] } = options;
    const stdout = only === "stderr" ? "ignore" : "pipe";
    const stderr = only === "stdout" ? "ignore" : "pipe";
    const child = spawn(command[0] ?? path, command.slice(1), {
      stdio: [stdin, stdout, stderr, ...extraFds],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const started = new Deferred<number>();
    child.once("spawn", () => started.resolve(child.pid ?? 0));
    child.once("error", (cause) => {
      started.reject(new EnvironmentError(`cannot start ${path}: ${cause.message}`, { cause }));
    });
    const limitBytes = options.outputLimitBytes ?? defaultOutputLimitBytes;
    const running = new ManagedProcess(basename(path), child, limitBytes, options.onOutput);
    await started.promise;
    rememberProcess(child);
    return running;
  }

  private constructor(
    name: string,
    child: ChildProcess,
    limitBytes: number,
    onOutput?: (chunk: Buffer) => void,
  ) {
    this.name = name;
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#output = new OutputBuffer(limitBytes);
    // A failing kill() or write is reported here; `exited` says that the process is gone.
    child.on("error", () => {});
    child.stdin?.on("error", () => {});
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output.push(chunk);
        onOutput?.(chunk);
        this.#wake();
      });
    }
    const exited = new Deferred<ProcessExit>();
    this.exited = exited.promise;
    child.once("exit", (code, signal) => {
      forgetProcess(child);
      const finish = (): void => {
        clearTimeout(timer);
        this.#exit = { code, signal };
        exited.resolve(this.#exit);
        this.#wake();
      };
      const timer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        finish();
      }, outputDrainMs);
      child.once("close", finish);
    });
  }

  /** The end of the process; undefined while it runs. */
  get exit(): ProcessExit | undefined {
    return this.#exit;
  }

  /** `exited with code 1`, `was ended by SIGSEGV`, `still runs`. */
  get exitText(): string {
    return exitText(this.#exit);
  }

  /** The newest output, stdout and stderr as they came. */
  get output(): string {
    return this.#output.text();
  }

  /** Bytes printed so far; for `from` of {@link waitForOutput} and {@link outputSince}. */
  get outputPosition(): number {
    return this.#output.position;
  }

  /** Returns the output after `position`. */
  outputSince(position: number): string {
    return this.#output.text(position);
  }

  /**
   * Writes to standard input.
   *
   * @throws {StateError} when it was not started with `stdin: "pipe"`
   */
  write(text: string): void {
    const { stdin } = this.#child;
    if (!stdin) throw new StateError(`${this.name} was started without standard input`);
    stdin.write(text);
  }

  /**
   * Resolves with the match as soon as the output from `from` on matches `pattern`. A match may
   * be at most 8 KiB long.
   *
   * @throws {PeerClosedError} when the process ends first; {@link TimeoutError}; `signal.reason`
   */
  async waitForOutput(
    pattern: RegExp,
    options: WaitOptions & { readonly from?: number } = {},
  ): Promise<RegExpExecArray> {
    // A pattern with the g or y flag would remember where it stopped.
    const search = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    const wait = new Deferred<RegExpExecArray>(options, () => {
      return new TimeoutError(
        this.describe(`${this.name} did not print ${pattern} within ${options.timeoutMs} ms`),
      );
    });
    const from = options.from ?? 0;
    let searchedTo = from;
    const look = (): void => {
      const match = search.exec(this.#output.text(Math.max(from, searchedTo - longestMatchBytes)));
      searchedTo = this.#output.position;
      if (match) wait.resolve(match);
      else if (this.#exit) wait.reject(this.exitError(`before it printed ${pattern}`));
    };
    this.#watchers.add(look);
    try {
      look();
      return await wait.promise;
    } finally {
      this.#watchers.delete(look);
    }
  }

  /** The error for a process that has ended; `when` completes "NAME exited with code 1 …". */
  exitError(when: string): PeerClosedError {
    return new PeerClosedError(this.describe(`${this.name} ${this.exitText} ${when}`));
  }

  /** `message` followed by the last lines that the process printed. */
  describe(message: string): string {
    const lines = this.#output.lastLines(8);
    if (lines.length === 0) return `${message}; it printed nothing`;
    return `${message}; its last output:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  }

  /** SIGTERM, and SIGKILL when it still runs after `graceMs` (default 5000). Idempotent. */
  async stop(options: { readonly graceMs?: number } = {}): Promise<ProcessExit> {
    if (this.#exit) return this.#exit;
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), options.graceMs ?? defaultGraceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL; resolves when the process is gone. Idempotent. */
  async kill(): Promise<ProcessExit> {
    this.signal("SIGKILL");
    return await this.exited;
  }

  /** Sends a signal and does not wait; nothing happens when the process is gone. */
  signal(name: NodeJS.Signals): void {
    if (!this.#exit) this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #wake(): void {
    for (const look of this.#watchers) look();
  }
}

function exitText(exit: ProcessExit | undefined): string {
  if (!exit) return "still runs";
  return exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
}
