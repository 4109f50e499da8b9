import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { consoleSteps, readDocument, type Step } from "../support/markdown.ts";
import { packageRoot } from "../support/package-root.ts";

/** What the README starts and does not wait for. */
const BACKGROUND = /^vhost-user serve (?:block|net|fs) (?!.*--list-faults)/;
/** Blocks with these are no matter of this test: they take a long time, or a real peer. */
const LEFT_OUT = /^(make (check|build|qemu-test|test-all)|vhost-user (qemu|clean|test stress)\b)/;

test(
  "the README's commands print what it shows, numbers aside",
  { timeout: 240_000 },
  async (t) => {
    const shell = new Shell(t);
    let commands = 0;
    for (const block of readDocument("README.md").blocks) {
      if (block.language !== "console") continue;
      const steps = consoleSteps(block);
      if (steps.some(({ command }) => LEFT_OUT.test(command))) continue;
      for (const step of steps) {
        await shell.check(step);
        commands += 1;
      }
    }
    assert.ok(commands > 10, "too few commands were found to run");
    await shell.end();
  },
);

test("the scripts have their own words, and reach the command", (t) => {
  const env = { ...process.env, NO_COLOR: "1", XDG_RUNTIME_DIR: temporaryFolder(t) };
  const run = (script: string, ...words: readonly string[]): [number | null, string] => {
    const path = join(packageRoot, script);
    const { status, stdout } = spawnSync(path, words, { env, encoding: "utf8", timeout: 60_000 });
    return [status, stdout];
  };
  const [code, basic] = run("run_qemu_tests.sh", "basic", "--quiet");
  assert.equal(code, 0, basic);
  assert.match(basic, /^=== vhost-user basic tests ===\n/);
  const socket = join(env.XDG_RUNTIME_DIR, "s");
  const [running, status] = run("start_qemu_vhost_server.sh", "status", "--socket", socket);
  assert.equal(running, 1);
  assert.equal(status, `not running (socket ${socket})\n`);
});

test("the examples work together, imported by the package's name", async (t) => {
  const folder = temporaryFolder(t);
  const example = (name: string): string => join(packageRoot, "dist", "examples", `${name}.js`);
  const backend = spawn(process.execPath, [example("backend"), "disk.sock"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => backend.kill("SIGKILL"));
  const printed = collect(backend);
  await printed.until(/listening on disk\.sock/);
  const client = spawnSync(process.execPath, [example("client"), "disk.sock"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.deepEqual(
    [client.status, client.stdout, client.stderr],
    [0, "67108864 bytes, sector 0: hello\n", ""],
  );
  await printed.until(/front-end left: the peer closed the connection/);
  backend.kill("SIGINT");
  assert.deepEqual(await once(backend, "exit"), [0, null]);
  assert.equal(existsSync(join(folder, "disk.sock")), false, "the socket was left behind");
});

/** Runs the README's steps one after another in one folder. */
class Shell {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #servers: ChildProcess[] = [];
  #status: number | null = 0;

  constructor(t: TestContext) {
    this.#folder = temporaryFolder(t);
    const bin = temporaryFolder(t);
    symlinkSync(join(packageRoot, "bin", "vhost-user.js"), join(bin, "vhost-user"));
    this.#environment = { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, NO_COLOR: "1" };
    t.after(() => {
      for (const server of this.#servers) server.kill("SIGKILL");
    });
  }

  async check({ command, output }: Step): Promise<void> {
    if (BACKGROUND.test(command)) return this.#serve(command, output);
    // The script behind `npm start`, without installing anything.
    const line = command.replace(/^npm ci && npm start$/, "vhost-user demo");
    const { status, stdout } = spawnSync(
      "bash",
      ["-c", `(exit ${this.#status}); { ${line}; } 2>&1`],
      {
        cwd: line.startsWith("make ") ? packageRoot : this.#folder,
        env: this.#environment,
        encoding: "utf8",
        timeout: 60_000,
      },
    );
    this.#status = status;
    assertShape(command, stdout, output);
  }

  /** Ends what was started; a back-end that is told to end by SIGTERM succeeds. */
  async end(): Promise<void> {
    for (const server of this.#servers) {
      server.kill("SIGTERM");
      assert.deepEqual(await once(server, "exit"), [0, null]);
    }
  }

  async #serve(command: string, output: readonly string[]): Promise<void> {
    const server = spawn("bash", ["-c", `exec ${command} 2>&1`], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#servers.push(server);
    const text = await collect(server).until(/listening on .*\n/);
    assertShape(command, text, output);
  }
}

/** A line that is `…` stands for any number of lines. */
function assertShape(command: string, actual: string, shown: readonly string[]): void {
  const lines = actual.replace(/\n$/, "").split("\n").map(shape);
  let at = 0;
  let skipping = false;
  for (const line of shown) {
    if (line === "…") {
      skipping = true;
      continue;
    }
    const wanted = shape(line);
    const found: number = skipping ? lines.indexOf(wanted, at) : at;
    assert.equal(lines[found], wanted, `$ ${command}\n${actual}`);
    at = found + 1;
    skipping = false;
  }
  if (skipping) at = lines.length;
  const rest = lines.slice(at).filter((line) => line !== "");
  assert.deepEqual(rest, [], `$ ${command} printed more than the README shows`);
}

function shape(line: string): string {
  return line
    .replaceAll(/\S*\/vhost-user-demo-\w+/g, "/tmp/vhost-user-demo")
    .replaceAll(/0x[0-9a-f]+|\d+(?:\.\d+)?/g, "#")
    .replaceAll(/ +/g, " ");
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "vu-readme-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Gathers what a process prints. */
function collect(child: ChildProcess): { until: (pattern: RegExp) => Promise<string> } {
  let text = "";
  let changed = (): void => undefined;
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    changed();
  });
  child.on("exit", () => changed());
  const until = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(text)) {
      assert.equal(child.exitCode, null, `it ended with ${child.exitCode} after: ${text}`);
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
    return text;
  };
  return { until };
}
