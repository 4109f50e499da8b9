#!/usr/bin/env node

// `--version` is answered without loading anything else: scripts ask it often.
const [first, ...rest] = process.argv.slice(2);
if (rest.length === 0 && (first === "--version" || first === "-V")) {
  const { readFileSync } = await import("node:fs");
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  process.stdout.write(`${JSON.parse(text).version}\n`);
} else {
  const { run } = await import("./run.js");
  await run(process.argv.slice(2));
}
