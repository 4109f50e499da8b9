/** `npm run lint`: runs every `lint:…` script of package.json, all at the same time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** Runs one; returns whether it was content. */
async function lint(name) {
  const child = spawn("npm", ["run", "--silent", name], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  }
  const [status, signal] = await once(child, "close").catch((error) => [null, error.message]);
  if (status === 0) return true;
  process.stdout.write(`npm run ${name}: ${signal ?? `exit code ${status}`}\n${output}`);
  return false;
}

const names = Object.keys(scripts).filter((name) => name.startsWith("lint:"));
const results = await Promise.all(names.map(lint));
process.exitCode = results.every(Boolean) ? 0 : 1;
