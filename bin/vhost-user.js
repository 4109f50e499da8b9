#!/usr/bin/env node
// `--version` is answered without loading anything else: scripts ask it often.
const [first, ...rest] = process.argv.slice(2);
if (rest.length === 0 && (first === "--version" || first === "-V")) {
  const { readFileSync } = await import("node:fs");
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  process.stdout.write(`${JSON.parse(text).version}\n`);
} else {
  const { main } = await import("../dist/src/cli/main.js").catch((error) => {
    if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    process.stderr.write(`vhost-user is not built yet; run: npm run build\n`);
    process.exit(4);
  });
  await main(process.argv.slice(2));
}
