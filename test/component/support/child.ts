import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/** The compiled os room, for code that runs in another process or thread. */
export const osModule = new URL("../../../src/core/os/index.js", import.meta.url).href;

export interface ChildOptions {
  /** Node's own arguments. */
  readonly nodeArguments?: readonly string[];
  /** A program with its arguments that starts Node, e.g. `setpriv`. */
  readonly wrapper?: readonly string[];
  /** Limit of open descriptors. */
  readonly descriptors?: number;
}

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the code of children and workers has: `os`, `fs`, `assert` and helpers. */
const prelude = `
const os = await import(${JSON.stringify(osModule)});
const { default: fs } = await import("node:fs");
const { default: assert } = await import("node:assert/strict");
const { Worker } = await import("node:worker_threads");
const { once } = await import("node:events");
const page = 4096;
/** A file as a hostile peer shares it: not sealed, so that it can be truncated. */
function unsealed(pages) {
  const fd = os.addon().memfdCreate("unsealed", 1);
  fs.ftruncateSync(fd, pages * page);
  return fd;
}
/** A module body as a thread; it has os, fs and parentPort. */
function worker(body) {
  return new Worker(workerPrelude + body, { eval: true });
}
`;

// Node hands --input-type=module on to threads.
const workerPrelude = `
const os = await import(${JSON.stringify(osModule)});
const { default: fs } = await import("node:fs");
const { parentPort } = await import("node:worker_threads");
`;

/** Runs a module body in a new Node process, where it may crash. */
export function runChild(body: string, options: ChildOptions = {}): ChildResult {
  const { nodeArguments = [], wrapper = [], descriptors } = options;
  const code = `const workerPrelude = ${JSON.stringify(workerPrelude)};\n${prelude}\n${body}`;
  const command = [
    ...wrapper,
    process.execPath,
    "--no-warnings",
    ...nodeArguments,
    "--input-type=module",
    "-e",
    code,
  ];
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `;
  const { status, signal, stdout, stderr, error } = spawnSync(
    "sh",
    ["-c", `ulimit -c 0; ${limit}exec "$@"`, "sh", ...command],
    { encoding: "utf8", timeout: 30_000 },
  );
  if (error) throw error;
  return { status, signal, stdout, stderr };
}

/** As {@link runChild}; the child must end well. */
export function runChildWell(body: string, options?: ChildOptions): ChildResult {
  const result = runChild(body, options);
  assert.deepEqual(
    { status: result.status, signal: result.signal, stderr: result.stderr },
    { status: 0, signal: null, stderr: "" },
  );
  return result;
}
