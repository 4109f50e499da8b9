// Loads and runs the command line, for the programs of this folder.
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const file = (path) => new URL(`../${path}`, import.meta.url);
const MODULES = file("dist/src/app/cli/main.js");

/**
 * The file with all modules of a command, if there is one (scripts/bundle.mjs). In a checkout the
 * compiler may have run since it was made; a package has no record of the compiler.
 */
function bundleOf(command = "") {
  if (!/^[a-z]+$/.test(command)) return undefined;
  const path = fileURLToPath(file(`dist/cli/${command}.cjs`));
  const bundle = statSync(path, { throwIfNoEntry: false });
  const record = statSync(file("dist/.tsbuildinfo"), { throwIfNoEntry: false });
  if (bundle === undefined || (record !== undefined && record.mtimeMs > bundle.mtimeMs))
    return undefined;
  return path;
}

function explain(error) {
  if (existsSync(MODULES)) {
    return `vhost-user: a file of the package or of a dependency is missing; install it again: ${error.message}`;
  }
  return existsSync(file("tsconfig.json"))
    ? "vhost-user: not built yet; run: npm run build"
    : "vhost-user: this package has no dist/src: it was packed without being built; pack it again with npm pack";
}

async function load([command]) {
  const bundle = bundleOf(command);
  return bundle === undefined ? import(MODULES) : createRequire(import.meta.url)(bundle);
}

export async function run(args) {
  const { main } = await load(args).catch((error) => {
    if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write(`${explain(error)}\n`);
    process.exit(4);
  });
  await main(args);
}
