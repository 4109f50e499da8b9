import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The command as users start it. */
export const commandPath: string = fileURLToPath(
  new URL("../../../../bin/vhost-user.js", import.meta.url),
);

/** How long a line may be waited for. */
const PRINT_MS = 20_000;
/** The unit of the times in /proc/PID/stat on every Linux that Node.js runs on. */
const TICK_MS = 10;

export interface RunOptions {
  /** Standard input; default: nothing. */
  readonly input?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program with its arguments that starts Node, e.g. `setpriv`. */
  readonly wrapper?: readonly string[];
  readonly cwd?: string;
  /** Run instead of this checkout's command: a program with its first arguments. */
  readonly program?: readonly string[];
  /** Descriptors of ours that the command gets as 3, 4, … */
  readonly fds?: readonly number[];
}

/** The result of a run of the command. */
export interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** The bytes of the output, for data that is not text. */
  readonly bytes: Buffer;
  readonly stderr: string;
}

/** A run of the command that may still go on. */
export class Running {
  readonly pid: number;
  /** Resolves once it has ended and its output is read. */
  readonly result: Promise<Result>;
  readonly #child: ChildProcess;
  readonly #out: Buffer[] = [];
  #stderr = "";
  #ended = false;

  constructor(args: readonly string[], options: RunOptions = {}) {
    const node = [process.execPath, "--trace-warnings"];
    const { input, env, wrapper = [], cwd, fds = [], program = [...node, commandPath] } = options;
    const [file = "", ...rest] = [...wrapper, ...program, ...args];
    const child = spawn(file, rest, {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe", ...fds],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stdout?.on("data", (chunk: Buffer) => this.#out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    this.result = once(child, "close").then(([code, signal]) => {
      this.#ended = true;
      // No command makes Node.js complain, whatever the test looks at.
      assert.doesNotMatch(this.#stderr, /^\(node:\d+\) /m, "Node.js printed a warning");
      const bytes = Buffer.concat(this.#out);
      return { code, signal, bytes, stdout: bytes.toString(), stderr: this.#stderr };
    });
  }

  /** What it has printed for people so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves once it has run for `ms` more, in processor time, however busy the machine is. */
  async runFor(ms: number): Promise<void> {
    // utime and stime count all of its threads; the first thread may do nothing but wait.
    const runtime = (): number => {
      const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
      const [utime, stime] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12);
      return (Number(utime) + Number(stime)) * TICK_MS;
    };
    for (const end = runtime() + ms; runtime() < end;) await setTimeout(5);
  }

  /** Resolves when the output on either stream matches `pattern`. */
  async printed(pattern: RegExp): Promise<void> {
    const text = (): string => this.#stderr + Buffer.concat(this.#out).toString();
    const tooLate = AbortSignal.timeout(PRINT_MS);
    while (!pattern.test(text())) {
      if (this.#ended) throw new Error(`it ended before it printed ${pattern}:\n${text()}`);
      const over = new AbortController();
      const options = { signal: AbortSignal.any([tooLate, over.signal]) };
      const data = [this.#child.stdout, this.#child.stderr].map(async (stream) => {
        if (stream) await once(stream, "data", options);
      });
      for (const each of data) each.catch(() => undefined);
      try {
        await Promise.race([...data, this.result]);
      } catch {
        throw new Error(`it did not print ${pattern} within ${PRINT_MS} ms:\n${text()}`);
      } finally {
        over.abort();
      }
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends a signal; resolves with how it ended. */
  async stop(name: NodeJS.Signals = "SIGTERM"): Promise<Result> {
    this.signal(name);
    return this.result;
  }
}

/** Runs the command to its end. */
export async function vhostUser(args: readonly string[], options?: RunOptions): Promise<Result> {
  return new Running(args, options).result;
}
