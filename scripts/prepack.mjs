// Run by `npm pack` and `npm publish`: makes what the package contains from the sources alone,
// whatever is in dist/, build/ and prebuilds/.
//
//   node scripts/prepack.mjs [--optional]
//
// --optional  no C compiler is not a failure: the package then has no prebuilt addon
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(...args) {
  // npm reads the standard output of `npm pack --json`.
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

// Without tsc's record of what it has written, the next `npm run build` writes everything again.
for (const path of ["prebuilds", "dist/src", "dist/examples", "dist/.tsbuildinfo"]) {
  rmSync(join(root, path), { recursive: true, force: true });
}
run("scripts/build-native.mjs", "--prebuild", ...process.argv.slice(2));
run("node_modules/typescript/bin/tsc", "-p", "tsconfig.package.json");
