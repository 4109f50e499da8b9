/**
 * What large guest memory costs until the first request: one region or 509, one queue on the event
 * loop or 16 in workers, against a back-end in a process of its own. A second session in a third
 * process makes one request after another; its longest wait shows how long the back-end was busy.
 * The memory is sparse. Medians of several rounds, milliseconds.
 *
 *     node dist/bench/large-memory.js [rounds]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../src/endpoints/devices/block/index.ts";
import { addMemory, Client } from "../src/endpoints/frontend/index.ts";
import { startBuiltIn } from "../src/lab/programs/index.ts";

const GIB = 2 ** 30;
const DISK = 1 << 20;
const deviceFeatures = BLOCK_DRIVER_FEATURES;
const CASES = [
  { name: "256 MiB", gib: 0.25, regions: 1, queues: 1 },
  { name: "64 GiB", gib: 64, regions: 1, queues: 1 },
  { name: "1 TiB", gib: 1024, regions: 1, queues: 1 },
  { name: "509 × 4 GiB", gib: 4, regions: 509, queues: 1 },
  { name: "256 MiB", gib: 0.25, regions: 1, queues: 16 },
  { name: "64 GiB", gib: 64, regions: 1, queues: 16 },
  { name: "1 TiB", gib: 1024, regions: 1, queues: 16 },
  { name: "509 × 4 GiB", gib: 4, regions: 509, queues: 16 },
];

/** The other session, in a process of its own: reports its longest wait whenever it is asked. */
async function watch(path: string): Promise<void> {
  await using client = await Client.connect(path, { deviceFeatures, timeoutMs: 120_000 });
  let [longest, going] = [0, true];
  process.on("message", (message) => {
    if (message === "end") going = false;
    else process.send?.(longest);
    longest = 0;
  });
  process.send?.(0);
  while (going) {
    const start = performance.now();
    await client.requests.getFeatures();
    longest = Math.max(longest, performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  process.disconnect();
}

async function longestWait(watcher: ChildProcess): Promise<number> {
  watcher.send("report");
  const [wait] = (await once(watcher, "message")) as [number];
  return wait;
}

async function measure(
  path: string,
  watcher: ChildProcess,
  { gib, regions, queues }: (typeof CASES)[number],
): Promise<number[]> {
  await longestWait(watcher);
  const start = performance.now();
  await using client = await Client.connect(path, {
    deviceFeatures,
    memory: { size: gib * GIB },
    timeoutMs: 120_000,
  });
  let longestTable = performance.now() - start;
  for (let i = 1; i < regions; i += 1) {
    const before = performance.now();
    await addMemory(client, gib * GIB);
    longestTable = Math.max(longestTable, performance.now() - before);
  }
  const shared = performance.now();
  const driver = await BlockDriver.start(client, { queues, depth: 1, transferBytes: 512 });
  const started = performance.now();
  await Promise.all(Array.from({ length: queues * 4 }, async () => driver.read(0, 512)));
  const read = performance.now();
  const wait = await longestWait(watcher);
  return [shared - start, longestTable, started - shared, read - started, read - start, wait];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function main(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-large-"));
  process.stdout.write(
    "| memory | queues | all memory shared | longest table | queues started | first requests | in all | longest wait of another session |\n" +
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
  );
  for (const each of CASES) {
    const { name, queues } = each;
    const socketPath = join(folder, "s");
    const extraArguments = ["--null", "--queues", "16", "-q", ...(queues > 1 ? ["--workers"] : [])];
    const server = await startBuiltIn({ socketPath, size: DISK, extraArguments });
    const watcher = fork(fileURLToPath(import.meta.url), ["watch", socketPath]);
    try {
      await once(watcher, "message");
      const results: number[][] = [];
      for (let i = 0; i < rounds; i += 1) results.push(await measure(socketPath, watcher, each));
      const cells = (results[0] ?? []).map((_, i) => median(results.map((row) => row[i] ?? 0)));
      const figures = cells.map((ms) => ms.toFixed(0));
      process.stdout.write(`| ${[name, String(queues), ...figures].join(" | ")} |\n`);
    } finally {
      if (watcher.connected) watcher.send("end");
      await server.stop();
    }
  }
  rmSync(folder, { recursive: true, force: true });
}

const [argument, path = ""] = process.argv.slice(2);
await (argument === "watch" ? watch(path) : main(Number(argument ?? 5)));
