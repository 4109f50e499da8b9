// Loads and runs the command line, for the programs of this folder.
import { existsSync } from "node:fs";

const file = (path) => new URL(`../${path}`, import.meta.url);

function explain(error) {
  if (existsSync(file("dist/src/app/cli/main.js"))) {
    return `vhost-user: a file of the package or of a dependency is missing; install it again: ${error.message}`;
  }
  return existsSync(file("tsconfig.json"))
    ? "vhost-user: not built yet; run: npm run build"
    : "vhost-user: this package has no dist/src: it was packed without being built; pack it again with npm pack";
}

export async function run(args) {
  const { main } = await import("../dist/src/app/cli/main.js").catch((error) => {
    if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write(`${explain(error)}\n`);
    process.exit(4);
  });
  await main(args);
}
