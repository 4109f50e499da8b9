/**
 * `npm run docs:api`: writes the API reference in Markdown, one page a subpath, to build/api; made at a
 * release, as it is large. Installs typedoc into build/typedoc: it needs an older TypeScript than the
 * package itself is built with.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = ["typedoc@0.28.20", "typedoc-plugin-markdown@4.14.1", "typescript@5.9.3"];

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run("npm", [
  "install",
  "--prefix",
  "build/typedoc",
  "--no-save",
  "--no-audit",
  "--no-fund",
  ...tools,
]);
const options =
  "--plugin ./build/typedoc/node_modules/typedoc-plugin-markdown/dist/index.js --out build/api " +
  "--readme none --logLevel Error --outputFileStrategy modules --excludePrivate --disableSources";
const entries = ["src/index.ts", "src/public/*.ts", "src/public/devices/*.ts"];
run("build/typedoc/node_modules/.bin/typedoc", [...options.split(" "), ...entries]);
