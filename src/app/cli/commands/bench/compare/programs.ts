/**
 * The other programs: where they are, how they are started, and how they are held to one processor.
 * `VHOST_USER_PEERS_ROOT` names a tree (for example one of debootstrap) whose newer programs
 * replace those of this system; they run with the tree's own loader and libraries.
 */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { EnvironmentError } from "../../../../../core/base/index.ts";
import { packagePath } from "../../../../../core/os/index.ts";
import {
  makeRecordedFolder,
  ManagedProcess,
  type RecordedFolder,
  resolveProgram,
  startListening,
  wordsInTree,
} from "../../../../../lab/programs/index.ts";

const libraries = "usr/lib/x86_64-linux-gnu";
const START_MS = 20_000;

/** Our own command, for a process of its own. */
export const ourCommand: readonly string[] = [
  process.execPath,
  packagePath("bin", "vhost-user.js"),
];
const sources = packagePath("bench", "native");

/** The back-end has the first processor, the load the second. */
export const BACKEND_CPU = 0;
export const LOAD_CPU = 1;

/** The reason why a program cannot be measured. */
export class Missing extends Error {}

/** Programs that are compared, and a folder for what they need. */
export class Programs {
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #folder: RecordedFolder;
  /** Programs of ours that are compiled. */
  readonly #compiled = new Map<string, string>();

  /** @throws {EnvironmentError} `taskset` is missing */
  constructor(signal: AbortSignal, root = process.env["VHOST_USER_PEERS_ROOT"] ?? "/") {
    if (resolveProgram("taskset") === undefined)
      throw new EnvironmentError(
        "the program taskset, which pins each side to a processor, is missing; install util-linux",
      );
    this.#root = root;
    this.#signal = signal;
    this.#folder = makeRecordedFolder("compare");
  }

  path(name: string): string {
    return join(this.#folder.path, name);
  }

  /** Removes the folder. */
  close(): void {
    this.#folder.remove();
  }

  /**
   * The words that start a program of the tree.
   *
   * @throws {Missing}
   */
  fromTree(program: string): string[] {
    const path = this.#root === "/" ? resolveProgram(basename(program)) : join(this.#root, program);
    if (path === undefined || !existsSync(path))
      throw new Missing(`${path ?? basename(program)} is missing`);
    return this.#loaded(path);
  }

  /** A file of the tree, or undefined. */
  inTree(path: string): string | undefined {
    const found = join(this.#root, path);
    return this.#root !== "/" && existsSync(found) ? found : undefined;
  }

  /**
   * The load on libblkio.
   *
   * @throws {Missing}
   */
  async blkioLoad(): Promise<string[]> {
    const library = join(this.#root, libraries, "libblkio.so.1");
    const header = join(this.#root, "usr/include/blkio.h");
    for (const file of [library, header])
      if (!existsSync(file)) throw new Missing(`${file} is missing`);
    // The header alone: those of the tree's C library are not for this system's compiler.
    const include = this.path("include");
    mkdirSync(include, { recursive: true });
    copyFileSync(header, join(include, "blkio.h"));
    const more = [`-I${include}`, library, "-Wl,--allow-shlib-undefined"];
    return this.#loaded(await this.cProgram("blkio-load", more));
  }

  /**
   * Compiles a C program of bench/native.
   *
   * @throws {Missing} there is no compiler
   */
  async cProgram(name: string, more: readonly string[] = []): Promise<string> {
    const before = this.#compiled.get(name);
    if (before !== undefined) return before;
    if (resolveProgram("cc") === undefined) throw new Missing("cc, the C compiler, is missing");
    const out = this.path(name);
    await this.#run(["cc", "-O2", "-o", out, join(sources, `${name}.c`), ...more]);
    this.#compiled.set(name, out);
    return out;
  }

  /** Runs a program to its end on one processor; returns what it printed. */
  async output(
    cpu: number,
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    return this.#run(["taskset", "-c", String(cpu), ...words], env);
  }

  /** A back-end on a processor of its own; resolves when it listens. */
  async start(cpu: number, words: readonly string[], socket: string): Promise<ManagedProcess> {
    const begin = async (): Promise<ManagedProcess> => this.spawn(cpu, words);
    return startListening(socket, begin, { timeoutMs: START_MS, signal: this.#signal });
  }

  /** A program in the background, on a processor of its own. */
  async spawn(cpu: number, words: readonly string[]): Promise<ManagedProcess> {
    return ManagedProcess.spawn("taskset", ["-c", String(cpu), ...words]);
  }

  #loaded(path: string): string[] {
    return this.#root === "/" ? [path] : wordsInTree(this.#root, path);
  }

  async #run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [program = "", ...args] = words;
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      signal: this.#signal,
    });
    let text = "";
    let complaint = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code === 0) return text;
    throw new EnvironmentError(
      `${words.join(" ")} ended with ${code}: ${(complaint || text).trim()}`,
    );
  }
}
