import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { commandPath } from "./command.ts";

/** How long output may be waited for. */
const PRINT_MS = 30_000;

/** Why there is no pseudo terminal for a test, or false. `script` is a part of util-linux. */
export function needsPty(): string | false {
  if (spawnSync("script", ["--version"]).status === 0) return false;
  if (process.env["CI"] === "true") throw new Error("script(1) of util-linux is missing");
  return "script(1) of util-linux is missing";
}

/** Words for a shell. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/** The command in a pseudo terminal of its own, by script(1). */
export class PtyRun {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  #text = "";

  constructor(t: TestContext, columns: number, args: readonly string[], cwd: string) {
    const line = shellLine([process.execPath, commandPath, ...args]);
    // The terminal's name comes first, for `resize`.
    const shell = `stty cols ${columns} rows 24; tty; exec ${line}`;
    this.#child = spawn("script", ["-qfec", shell, "/dev/null"], {
      cwd,
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, TERM: "xterm-256color", NO_COLOR: "1", SHELL: "/bin/sh" },
    });
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.#text += chunk.toString()));
    this.ended = once(this.#child, "close").then(([code]) => code as number | null);
    t.after(async () => {
      this.#child.kill();
      await this.ended;
    });
  }

  /** What the terminal has received so far, without its name. */
  get text(): string {
    return this.#text.slice(this.#text.indexOf("\n") + 1);
  }

  async printed(pattern: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(PRINT_MS);
    while (!pattern.test(this.text)) {
      try {
        const data = this.#child.stdout && once(this.#child.stdout, "data", { signal });
        await Promise.race([data, this.ended.then(() => Promise.reject(new Error("it ended")))]);
      } catch (cause) {
        throw new Error(`not printed: ${pattern}:\n${this.text}`, { cause });
      }
    }
  }

  /** Makes the terminal narrower or wider: the command gets SIGWINCH. */
  resize(columns: number): void {
    const name = this.#text.split("\r\n", 1)[0] ?? "";
    const { status, stderr } = spawnSync("stty", ["-F", name, "cols", String(columns)]);
    if (status !== 0) throw new Error(`stty: ${stderr.toString()}`);
  }

  /** As a person's Ctrl-C. */
  interrupt(): void {
    this.#child.stdin?.write("\u0003");
  }
}
