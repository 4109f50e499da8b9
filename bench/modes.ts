/**
 * 4 KiB reads from a back-end in a process of its own: how it learns of requests (event, poll,
 * hybrid), where it serves them (event loop, worker), at depth 1 and 32. Ratios to the event loop by
 * event, of the medians and of the best rounds; in turns, so that a busy machine slows all of them
 * alike.
 *
 *     node dist/bench/modes.js [reads per round]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BLOCK_DRIVER_FEATURES,
  BlockQueue,
  type BlockQueueHandler,
  BlockRequest,
} from "../src/endpoints/devices/block/index.ts";
import { Client } from "../src/endpoints/frontend/index.ts";
import { RING_MODES } from "../src/core/runtime/index.ts";

const ROUNDS = 7;
const READS = Number(process.argv[2] ?? 5000);
const BYTES = 4096;
const DEPTHS = [1, 32];
const command = fileURLToPath(new URL("../../bin/vhost-user.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "vhost-user-bench-"));

/** Microseconds a read. */
async function measure(path: string, depth: number, packed: boolean): Promise<number> {
  await using client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    packed,
  });
  let finished: () => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  let left = 0;
  let out = 0;
  const submit = (slot: number): void => {
    queue.submit(slot, BlockRequest.In, ((left * 37) % 2048) * 8, BYTES);
    left -= 1;
    out += 1;
  };
  const handler: BlockQueueHandler = {
    done: (slot, status) => {
      if (status !== 0) throw new Error(`a read failed with status ${status}`);
      out -= 1;
      if (left > 0) submit(slot);
      else queue.release(slot);
    },
    batchDone: () => {
      if (out === 0) finished();
      else queue.publish();
    },
    failed: (error) => failed(error),
  };
  // The client looks all the time in all cases: what differs is the back-end.
  const options = { index: 0, size: 128, depth, transferBytes: BYTES, ringMode: "poll" } as const;
  const queue: BlockQueue = await BlockQueue.start(client, options, handler);
  const run = async (reads: number): Promise<number> => {
    const end = new Promise<void>((resolve, reject) => {
      finished = resolve;
      failed = reject;
    });
    left = reads;
    const start = performance.now();
    for (let i = 0; i < depth; i += 1) submit(queue.acquire());
    queue.publish();
    await end;
    return ((performance.now() - start) * 1000) / reads;
  };
  // The worker has to come up, and the code to be compiled.
  await run(READS / 2);
  return await run(READS);
}

interface Case {
  readonly name: string;
  readonly arguments: readonly string[];
}

const cases: readonly Case[] = ["loop", "worker"].flatMap((place) =>
  RING_MODES.map((mode) => ({
    name: `${place.padEnd(6)} ${mode.padEnd(6)}`,
    arguments: ["--ring-mode", mode, ...(place === "worker" ? ["--workers"] : [])],
  })),
);

/** One measurement with a back-end that runs for it alone: one that polls would slow the next one. */
async function withBackend(at: Case, depth: number, packed: boolean): Promise<number> {
  const socket = join(directory, "disk.sock");
  const all = [command, "serve", "block", "--socket", socket, ...at.arguments];
  const backend = spawn(process.execPath, all, { stdio: ["ignore", "ignore", "pipe"] });
  try {
    await once(backend.stderr, "data");
    return await measure(socket, depth, packed);
  } finally {
    const ended = once(backend, "exit");
    backend.kill("SIGTERM");
    await ended;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

try {
  process.stdout.write(
    `${READS} reads of 4 KiB, ${ROUNDS} rounds, ${availableParallelism()} processors\n`,
  );
  for (const packed of [false, true]) {
    for (const depth of DEPTHS) {
      const taken = new Map<Case, number[]>(cases.map((at) => [at, []]));
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const at of cases) taken.get(at)?.push(await withBackend(at, depth, packed));
      }
      const [first] = taken.values();
      const reference = median(first ?? []);
      const best = Math.min(...(first ?? []));
      for (const [{ name }, values] of taken) {
        const spread = `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
        process.stdout.write(
          `${packed ? "packed" : "split "} depth ${String(depth).padStart(2)}  ${name} ` +
            `${(median(values) / reference).toFixed(2)} of loop event, best ${(Math.min(...values) / best).toFixed(2)}; ` +
            `${median(values).toFixed(1)} us (${spread})\n`,
        );
      }
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
