import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Result, Running, type RunOptions } from "./command.ts";

let count = 0;

/**
 * A folder of one test, with a folder for temporary files of its own. When the test ends, nothing
 * that was started in it may still run, and no temporary file may be left.
 */
export class Workspace {
  readonly folder: string;
  readonly #temporary: string;
  readonly #marker: string;
  readonly #running: Running[] = [];

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), "vu-test-"));
    this.#temporary = join(this.folder, "tmp");
    mkdirSync(this.#temporary);
    count += 1;
    this.#marker = `${process.pid}-${count}`;
    t.after(async () => {
      for (const running of this.#running) await running.stop();
      const left = this.survivors();
      for (const pid of left) process.kill(pid, "SIGKILL");
      const files = readdirSync(this.#temporary);
      rmSync(this.folder, { recursive: true, force: true });
      assert.deepEqual(left, [], "a process was left behind");
      assert.deepEqual(files, [], "temporary files were left behind");
    });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A new file. */
  file(name: string, content: Uint8Array | string): string {
    const path = this.path(name);
    writeFileSync(path, content);
    return path;
  }

  /** Starts the command; it is stopped with the test. */
  start(args: readonly string[], options: RunOptions = {}): Running {
    const env = { ...options.env, TMPDIR: this.#temporary, VHOST_USER_TEST: this.#marker };
    const running = new Running(args, { cwd: this.folder, ...options, env });
    this.#running.push(running);
    return running;
  }

  /** Runs the command to its end. */
  async run(args: readonly string[], options?: RunOptions): Promise<Result> {
    return this.start(args, options).result;
  }

  /** Starts `serve` on a socket; resolves with the path when it listens. */
  async serve(args: readonly string[] = [], name = "disk.sock", device = "block"): Promise<Served> {
    const socket = this.path(name);
    const server = this.start(["serve", device, "--socket", socket, ...args]);
    await server.printed(/listening on /);
    return { socket, server };
  }

  /** Processes that were started here, by the command or by a child of it, and still run. */
  survivors(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && this.#isOurs(name))
      .map(Number);
  }

  #isOurs(pid: string): boolean {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      return environment.includes(`VHOST_USER_TEST=${this.#marker}`);
    } catch {
      return false;
    }
  }

  get temporaryFiles(): string[] {
    return readdirSync(this.#temporary);
  }
}

export interface Served {
  readonly socket: string;
  readonly server: Running;
}
