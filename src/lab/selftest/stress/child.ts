import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Deferred, PeerClosedError } from "../../../core/base/index.ts";
import type { Commands } from "./messages.ts";

/**
 * Flags for processes whose resident memory is compared between rounds. The optimising compiler
 * keeps memory for its code, and a large young generation grows and shrinks; both change the figure
 * by more than a leak would.
 */
const STEADY = ["--no-opt", "--max-semi-space-size=1"];

/** One command may take this long, milliseconds: a thousand sessions on a slow machine. */
const TIMEOUT_MS = 120_000;

/** A process of ours that takes commands over IPC. It ends with us: it notices the channel closing. */
export class StressChild {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Deferred<unknown>>();
  readonly #exited = new Deferred<void>();
  #next = 1;
  #ended: PeerClosedError | undefined;

  /**
   * @param script the compiled module that answers
   * @param steady its memory is going to be compared
   */
  constructor(script: "backend-process.js" | "client-process.js", steady = false) {
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), {
      execArgv: ["--expose-gc", ...(steady ? STEADY : [])],
      env: { ...process.env, MALLOC_ARENA_MAX: "1" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (message) =>
      this.#answer(message as { id: number; answer?: unknown; error?: string }),
    );
    this.#child.once("exit", (code, signal) => this.#end(script, signal ?? `exit code ${code}`));
    this.#child.on("error", ({ message }) => {
      // Without a pid it never ran, and there is no exit either.
      if (this.#child.pid === undefined) this.#end(script, message);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when the process is gone. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** @throws {Error} what went wrong there; {@link PeerClosedError} it died */
  async ask<C extends keyof Commands>(
    command: C,
    ask: Commands[C]["ask"],
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Commands[C]["answer"]> {
    if (this.#ended) throw this.#ended;
    const id = this.#next;
    this.#next += 1;
    const waiting = new Deferred<unknown>({ signal, timeoutMs });
    this.#waiting.set(id, waiting);
    this.#child.send({ id, command, ask });
    try {
      return (await waiting.promise) as Commands[C]["answer"];
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Sends a command that has no answer. */
  send<C extends keyof Commands>(command: C, ask: Commands[C]["ask"]): void {
    this.#child.send({ id: 0, command, ask });
  }

  async stop(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.exited;
  }

  #end(script: string, how: string): void {
    this.#ended = new PeerClosedError(`${script} ended (${how}) before it answered`);
    this.#exited.resolve();
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
  }

  #answer({ id, answer, error }: { id: number; answer?: unknown; error?: string }): void {
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(error));
  }
}
