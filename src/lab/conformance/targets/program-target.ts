import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WaitOptions } from "../../../core/base/index.ts";
import { processFigures, reachablePath, type UnixSocket } from "../../../core/os/index.ts";
import { ManagedProcess, startListening } from "../../programs/index.ts";
import { connectSocket } from "../../../core/transport/index.ts";
import { within } from "./within.ts";
import type { ProcessEnd, Target, TargetProcess, TargetProgram, TargetReport } from "./target.ts";
import { namedFile } from "./named-file.ts";
import { fillIn, wordsWithPlace } from "./words.ts";

/** The options for starting a program. */
export interface ProgramOptions {
  /**
   * Runs the command by `/bin/sh -c`. The suite then watches the shell, unless the command begins
   * with `exec`.
   */
  readonly shell?: boolean | undefined;
  /** Milliseconds until the program must listen. */
  readonly timeoutMs: number;
}

/**
 * A back-end that the suite starts, watches, and starts again when it is gone.
 *
 * In its command line `{socket}` is the path on which it is to listen, `{dir}` is a folder
 * of its own that is removed in the end.
 *
 * @example
 * ```ts
 * import { ProgramTarget } from "vhost-user/conformance";
 *
 * const target = new ProgramTarget("my-back-end --socket {socket}", { timeoutMs: 5000 });
 * console.log(target.name);
 * await target.close();
 * ```
 */
export class ProgramTarget implements Target {
  readonly name: string;
  readonly program: TargetProgram | undefined;
  readonly #words: readonly string[];
  readonly #folder: string;
  readonly #socket: string;
  readonly #timeoutMs: number;
  /** The path of the socket as this process sees it. */
  #reached: string;
  #process: ManagedProcess | undefined;
  /** The one that has been connected to. */
  #served: ManagedProcess | undefined;
  /**
   * Processes that ran since the last {@link takeReport}, with how much of their output was
   * reported.
   */
  #recent: { readonly process: ManagedProcess; from: number; ended: boolean }[] = [];
  oneSession = false;

  /** @throws {UsageError} the command has no words, or no `{socket}` */
  constructor(command: string, { shell = false, timeoutMs }: ProgramOptions) {
    this.name = command;
    this.#timeoutMs = timeoutMs;
    const words = wordsWithPlace(command, shell);
    this.#folder = mkdtempSync(join(tmpdir(), "vhost-user-conform-"));
    this.#socket = join(this.#folder, "target.sock");
    this.#reached = this.#socket;
    const mine = fillIn(words, { dir: this.#folder });
    this.#words = fillIn(mine, { socket: this.#socket });
    this.program = shell
      ? undefined
      : {
          words: mine,
          socket: this.#socket,
          folder: this.#folder,
          end: async (signal, limitMs) => this.#end(signal, limitMs),
        };
  }

  /**
   * A new connection; the program is started first where it does not run.
   *
   * @throws {EnvironmentError} there is no such program; {@link PeerClosedError} it ends before it
   *   listens; {@link TimeoutError}
   */
  async connect(options: WaitOptions = {}): Promise<UnixSocket> {
    const running = this.#process;
    if (this.oneSession && running && running === this.#served) {
      // It no longer listens, or does not accept: it can only end.
      await within(running.exited, options.timeoutMs ?? this.#timeoutMs);
    }
    if (running === undefined || running.exit !== undefined) await this.#start();
    this.#served = this.#process;
    return connectSocket(this.#reached, options);
  }

  get process(): TargetProcess | undefined {
    const running = this.#process;
    if (running === undefined) return undefined;
    return {
      pid: running.pid,
      end: running.exit,
      figures: () => (running.exit ? undefined : processFigures(running.pid)),
    };
  }

  image(bytes: number): string | undefined {
    return this.program && namedFile(this.program.words, bytes);
  }

  takeReport(): TargetReport {
    const ends = this.#recent.flatMap((each) => (each.ended ? [] : (each.process.exit ?? [])));
    const output = this.#recent.map((each) => each.process.outputSince(each.from)).join("");
    for (const each of this.#recent) each.from = each.process.outputPosition;
    this.#recent = this.#recent.filter(({ process: { exit } }) => exit === undefined);
    return { ends, output };
  }

  restart = async (): Promise<void> => {
    this.#disown();
    await this.#process?.kill();
    await this.#start();
  };

  /** Ends the program and removes its folder. */
  async close(): Promise<void> {
    await this.#process?.stop({ graceMs: 2000 });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The end of the process, if it still runs, is the suite's doing. */
  #disown(): void {
    const mine = this.#recent.find((each) => each.process === this.#process);
    if (mine && this.#process?.exit === undefined) mine.ended = true;
  }

  async #end(signal: NodeJS.Signals, timeoutMs: number): Promise<ProcessEnd | undefined> {
    const running = this.#process;
    if (running === undefined || running.exit !== undefined) return undefined;
    this.#disown();
    running.signal(signal);
    await within(running.exited, timeoutMs);
    return running.exit;
  }

  async #start(): Promise<void> {
    // What a killed one left there would be taken for its successor.
    rmSync(this.#socket, { force: true });
    const [program = "", ...args] = this.#words;
    const start = async (): Promise<ManagedProcess> => ManagedProcess.spawn(program, args);
    const started = await startListening(this.#socket, start, { timeoutMs: this.#timeoutMs });
    this.#process = started;
    this.#reached = reachablePath(this.#socket, started.pid);
    this.#recent.push({ process: started, from: 0, ended: false });
  }
}
