import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Step } from "./markdown.ts";
import { packageRoot } from "./package-root.ts";

/** Commands that a page starts and does not wait for. */
const BACKGROUND = /^vhost-user serve [a-z]+ (?!.*--list-faults)/;
/** The default paths of `qemu start`, which a test replaces by paths of its own. */
const DEFAULT_PATHS = "/tmp/";
const WITH_PATHS = /^vhost-user (?:qemu (?:start|status|stop|restart)|clean)\b/;

/** Runs the commands of one page, one after another in one folder of their own. */
export class DocumentShell {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #servers: ChildProcess[] = [];
  #status: number | null = 0;

  constructor(t: TestContext) {
    this.#folder = temporaryFolder(t);
    const bin = temporaryFolder(t);
    for (const name of readdirSync(join(packageRoot, "bin"))) {
      symlinkSync(join(packageRoot, "bin", name), join(bin, name.replace(/\.js$/, "")));
    }
    this.#environment = {
      ...process.env,
      PATH: `${bin}:${process.env["PATH"]}`,
      NO_COLOR: "1",
      XDG_RUNTIME_DIR: temporaryFolder(t),
      VHOST_USER_OWNER: "/srv/project",
      SOCKET_PATH: this.#own("/tmp/vhost-user-test-sock"),
    };
    t.after(() => {
      for (const server of this.#servers) server.kill("SIGKILL");
    });
  }

  /** Runs a command and compares its output with the page's, numbers aside. */
  async check(step: Step): Promise<void> {
    assertShape(step.command, await this.run(step), step.output);
  }

  /** Runs a command. @returns what it printed; of a server, until it listens */
  async run({ command }: Step): Promise<string> {
    const line = this.#adapted(command);
    const text = BACKGROUND.test(command) ? await this.#serve(line) : this.#wait(line);
    return text.replaceAll(`${this.#folder}/`, DEFAULT_PATHS);
  }

  /** Ends the servers; a server that ends on SIGTERM succeeds. */
  async end(): Promise<void> {
    for (const server of this.#servers) {
      server.kill("SIGTERM");
      assert.deepEqual(await once(server, "exit"), [0, null]);
    }
  }

  #own(path: string): string {
    return path.replace(DEFAULT_PATHS, `${this.#folder}/`);
  }

  /** Replaces what a test must not do: installing, and using paths that all users share. */
  #adapted(command: string): string {
    const line = command
      .replace(/^npm ci && npm start$/, "vhost-user demo")
      .replaceAll(DEFAULT_PATHS, `${this.#folder}/`);
    if (!WITH_PATHS.test(line)) return line;
    const paths = `--pid-file ${this.#own("/tmp/qemu-vhost-test.pid")} --log ${this.#own("/tmp/qemu-vhost-test.log")}`;
    return line.replace(/(?= -- |$)/, ` ${paths}`);
  }

  #wait(line: string): string {
    const { status, stdout } = spawnSync(
      "bash",
      ["-c", `(exit ${this.#status}); { ${line}; } 2>&1`],
      {
        cwd: /^(?:make|\.\/)/.test(line) ? packageRoot : this.#folder,
        env: this.#environment,
        encoding: "utf8",
        timeout: 120_000,
      },
    );
    this.#status = status;
    return stdout;
  }

  async #serve(line: string): Promise<string> {
    const server = spawn("bash", ["-c", `exec ${line} 2>&1`], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#servers.push(server);
    return outputOf(server).until(/listening on .*\n/);
  }
}

/** Makes a folder that is removed after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "vu-doc-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Collects what a process prints. */
export function outputOf(child: ChildProcess): { until: (pattern: RegExp) => Promise<string> } {
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

/** Compares output with a page; a line that is `…` matches any number of lines. */
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
  assert.deepEqual(rest, [], `$ ${command} printed more than the page has`);
}

function shape(line: string): string {
  return line
    .replaceAll(/\S*\/vhost-user-demo-\w+/g, "/tmp/vhost-user-demo")
    .replaceAll(/0x[0-9a-f]+|\d[\d,]*(?:\.\d+)?/g, "#")
    .replaceAll(/ +/g, " ");
}
