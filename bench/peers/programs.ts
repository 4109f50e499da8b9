/**
 * The other programs: where they are, how they are started, and how they are held to one processor.
 * `VHOST_USER_PEERS_ROOT` names a tree (for example one of debootstrap) whose newer programs are
 * taken in place of this system's.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntilListening } from "../../src/peers/index.ts";

const root = process.env.VHOST_USER_PEERS_ROOT ?? "/";
const libraries = "usr/lib/x86_64-linux-gnu";
export const command: string = fileURLToPath(
  new URL("../../../bin/vhost-user.js", import.meta.url),
);
const sources = fileURLToPath(new URL("../../../bench/native/", import.meta.url));

/** The back-end has the first processor, the load the second. */
export const BACKEND_CPU = 0;
export const LOAD_CPU = 1;

export const folder: string = mkdtempSync(join(tmpdir(), "vhost-user-peers-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Why a program cannot be compared with. */
export class Missing extends Error {}

/** A program of the tree, with the tree's own loader and libraries. */
function fromTree(program: string): string[] {
  const path = join(root, program);
  if (!existsSync(path)) throw new Missing(`${path} is missing`);
  if (root === "/") return [path];
  const loader = join(root, "lib64/ld-linux-x86-64.so.2");
  return [loader, "--library-path", join(root, libraries), path];
}

/** Compiles a C program of bench/native; `library` is a shared object of the tree. */
function compile(name: string, library?: string): string {
  const out = join(folder, name);
  const linked =
    library === undefined
      ? []
      : [
          `-I${join(root, "usr/include")}`,
          join(root, libraries, library),
          "-Wl,--allow-shlib-undefined",
        ];
  if (library !== undefined && !existsSync(join(root, libraries, library)))
    throw new Missing(`${library} is missing`);
  execFileSync("cc", ["-O2", "-o", out, join(sources, `${name}.c`), ...linked]);
  return out;
}

let blkio: string[] | undefined;

/** The load on libblkio. */
export function blkioLoad(): string[] {
  if (blkio === undefined) {
    const program = compile("blkio-load", "libblkio.so.1");
    const loader = join(root, "lib64/ld-linux-x86-64.so.2");
    blkio = root === "/" ? [program] : [loader, "--library-path", join(root, libraries), program];
  }
  return blkio;
}

export function cProgram(name: string): string {
  return compile(name);
}

export function storageDaemon(): string[] {
  return fromTree("usr/bin/qemu-storage-daemon");
}

/** Runs a program to its end on one processor; returns what it printed. */
export async function output(cpu: number, words: readonly string[]): Promise<string> {
  const child = spawn("taskset", ["-c", String(cpu), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}: ${text}`);
  return text;
}

/** A program in the background, ended with {@link stop}. */
export async function start(
  cpu: number,
  words: readonly string[],
  socket: string,
): Promise<ChildProcess> {
  const child = spawn("taskset", ["-c", String(cpu), ...words], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await waitUntilListening(socket, { timeoutMs: 20_000 });
  return child;
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
