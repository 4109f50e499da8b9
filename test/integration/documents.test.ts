import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DocumentShell, outputOf, temporaryFolder } from "../support/document-shell.ts";
import { consoleSteps, pagesIn, readDocument } from "../support/markdown.ts";
import { packageRoot } from "../support/package-root.ts";

let commands = 0;
for (const page of ["README.md", ...pagesIn("docs/guides")]) {
  const blocks = readDocument(page).blocks.filter(({ language }) => language === "console");
  const steps = blocks.filter(({ tag }) => tag === "").flatMap((block) => consoleSteps(block));
  if (steps.length === 0) continue;
  commands += steps.length;
  test(`the commands of ${page} print what it says, numbers aside`, async (t) => {
    const shell = new DocumentShell(t);
    for (const step of steps) await shell.check(step);
    await shell.end();
  });
}

test("the pages have commands to run", () => {
  assert.ok(commands > 30, `${commands} commands`);
});

test("the scripts have their own words, and reach the command", (t) => {
  const env = { ...process.env, NO_COLOR: "1", XDG_RUNTIME_DIR: temporaryFolder(t) };
  const run = (script: string, ...words: readonly string[]): [number | null, string] => {
    const path = join(packageRoot, script);
    const { status, stdout } = spawnSync(path, words, { env, encoding: "utf8", timeout: 60_000 });
    return [status, stdout];
  };
  const [code, basic] = run("run_qemu_tests.sh", "basic");
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
  const printed = outputOf(backend);
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
