/**
 * `npm run bench`: builds, and runs the benches of bench/, all of them or those that are named.
 *
 *     node scripts/bench.mjs [name …]
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

const all = readdirSync(join(root, "bench"))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();
const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(" ")}; there are: ${all.join(" ")}`);
  process.exit(2);
}
run("npm", ["run", "--silent", "build"]);
for (const name of wanted) {
  console.log(`\n== ${name}`);
  // Some count garbage, and none of it may be collected meanwhile.
  const flags = ["--expose-gc", "--min-semi-space-size=512", "--max-semi-space-size=512"];
  run(process.execPath, [...flags, join(root, "dist", "bench", `${name}.js`)]);
}
