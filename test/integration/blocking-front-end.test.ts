import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const program = fileURLToPath(new URL("../support/blocking-front-end.js", import.meta.url));
const run = promisify(execFile);

for (const [title, options] of [
  ["serve", []],
  ["serve --ring-mode event", ["--ring-mode", "event"]],
  ["serve --ring-mode poll", ["--ring-mode", "poll"]],
  ["serve --workers", ["--workers"]],
] as const) {
  test(`a front-end that waits in read(2) of its call descriptor works with ${title}`, async (t) => {
    const workspace = new Workspace(t);
    const { socket } = await workspace.serve(["--size", "1M", ...options]);
    const outputs = await Promise.all(
      ["split", "packed"].map(async (format) =>
        run(process.execPath, [program, socket, "200", format], { timeout: 20_000 }),
      ),
    );
    for (const { stdout } of outputs) assert.equal(stdout, "200 requests completed\n");
  });
}

test("conform --front-end judges a front-end that waits in read(2) of its call descriptor", async (t) => {
  const workspace = new Workspace(t);
  const exec = `${process.execPath} ${program} {socket}`;
  const { code, stdout } = await workspace.run([
    "conform",
    "--front-end",
    "--device",
    "block",
    "--exec",
    exec,
    "--fail-on",
    "warn",
    "--only",
    "fe/2",
    "fe/34",
    "fe/35",
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^3 checks: 3 PASS$/m);
});
