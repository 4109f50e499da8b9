/**
 * How long the command takes to start, over what Node itself takes: `--version`, and `probe` of a
 * back-end with its 20 ms of waiting for a front-end's first word. One after another in turns, so that
 * a busy machine slows all of them alike.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROUNDS = Math.max(20, Number(process.argv[2] ?? 30));
const command = fileURLToPath(new URL("../../bin/vhost-user.js", import.meta.url));

function runTime(args: readonly string[]): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}\n${stderr}`);
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const directory = mkdtempSync(join(tmpdir(), "vhost-user-bench-"));
const socket = join(directory, "disk.sock");
const backend = spawn(process.execPath, [command, "serve", "block", "--socket", socket], {
  stdio: ["ignore", "ignore", "pipe"],
});
try {
  await once(backend.stderr, "data");
  const cases = [
    { name: "node -e 0", args: ["-e", "0"], limitMs: 0 },
    { name: "--version", args: [command, "--version"], limitMs: 15 },
    { name: "probe", args: [command, "probe", socket, "--json"], limitMs: 60 },
  ].map((each) => ({ ...each, times: [] as number[] }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { args, times } of cases) times.push(runTime(args));
  }
  const bare = cases[0]?.times ?? [];
  process.stdout.write(`${ROUNDS} rounds; medians; over bare node, of each round\n`);
  for (const { name, limitMs, times } of cases) {
    const over = median(times.map((ms, round) => ms - (bare[round] ?? Number.NaN)));
    const figure = `${name.padEnd(10)} ${median(times).toFixed(1).padStart(6)} ms`;
    const least = `least ${Math.min(...times)
      .toFixed(1)
      .padStart(6)} ms`;
    const verdict = limitMs === 0 ? "" : `  over node ${over.toFixed(1)} ms (at most ${limitMs})`;
    process.stdout.write(`${figure}  ${least}${verdict}\n`);
  }
} finally {
  backend.kill("SIGTERM");
  await once(backend, "exit");
  rmSync(directory, { recursive: true, force: true });
}
