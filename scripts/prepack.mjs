// Run by `npm pack` and `npm publish`: makes what the package contains from the sources alone,
// whatever is in dist/, build/ and prebuilds/.
//
//   node scripts/prepack.mjs [--optional]
//
// --optional  no C compiler is not a failure: the package then has no prebuilt addon
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(...args) {
  // npm reads the standard output of `npm pack --json`.
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

/** Adds a file of declarations and those that it imports. */
function addDeclarations(file, found) {
  if (found.has(file) || !existsSync(file)) return;
  found.add(file);
  for (const [, path] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g))
    addDeclarations(join(dirname(file), path.replace(/\.ts$/, ".d.ts")), found);
}

/** Removes the declarations that no subpath of the package reaches. */
function removeInternalDeclarations() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const reached = new Set();
  for (const { types } of Object.values(exports))
    if (types !== undefined) addDeclarations(join(root, types), reached);
  for (const name of readdirSync(join(root, "dist", "src"), { recursive: true })) {
    const file = join(root, "dist", "src", name);
    if (file.endsWith(".d.ts") && !reached.has(file)) rmSync(file);
  }
}

// Without tsc's record of what it has written, the next `npm run build` writes everything again.
for (const path of ["prebuilds", "dist/src", "dist/cli", "dist/examples", "dist/.tsbuildinfo"]) {
  rmSync(join(root, path), { recursive: true, force: true });
}
run("scripts/build-native.mjs", "--prebuild", ...process.argv.slice(2));
run("node_modules/typescript/bin/tsc", "-p", "tsconfig.package.json");
removeInternalDeclarations();
run("scripts/bundle.mjs", "--package");
