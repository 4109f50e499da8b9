// Run by `npm ci` in a checkout: builds what the first command needs. Without a compiler the
// installation still succeeds; the command that needs the addon says then what to install.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (...args) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;

let status = run("scripts/build-native.mjs", "--optional");
const compiler = `${root}node_modules/typescript/bin/tsc`;
// With development dependencies left out there is nothing to compile with, and nothing to be done.
if (status === 0 && existsSync(compiler)) status = run(compiler, "-b");
process.exitCode = status;
