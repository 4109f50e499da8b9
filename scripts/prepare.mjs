// npm runs this
//  - for `npm ci` in a checkout: builds what the first command needs;
//  - for `npm install git+…`, where `prepack` is not run: makes what the package contains;
//  - for `npm pack` and `npm publish`, after `prepack`: nothing is left to do.
// Without a compiler the installation still succeeds; the command that needs the addon says then
// what to install.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (...args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;

function prepareCheckout() {
  const status = run("scripts/build-native.mjs", "--optional");
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  // With development dependencies left out there is nothing to compile with, and nothing to be done.
  if (status !== 0 || !existsSync(compiler)) return status;
  return run(compiler, "-b") || run(`${root}scripts/bundle.mjs`);
}

// Set where npm is about to pack the folder.
const packing = process.env["npm_package_resolved"] !== undefined;
if (!packing) process.exitCode = prepareCheckout();
else if (!["pack", "publish"].includes(process.env["npm_command"] ?? "")) {
  process.exitCode = run("scripts/prepack.mjs", "--optional");
}
