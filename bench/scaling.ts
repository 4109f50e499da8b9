/**
 * Time per request when there is more of something: queues, requests in flight, memory regions,
 * sessions. Reads of 512 bytes from the null block back-end in a process of its own, client and
 * back-end on the event loop. The time of one request must not depend on any of them, so the last
 * column should stay near 1 (or fall: kicks and calls are shared by what is in flight).
 *
 *     node dist/bench/scaling.js [requests per cell]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../src/endpoints/devices/block/index.ts";
import { Client } from "../src/endpoints/frontend/index.ts";
import { startBuiltIn } from "../src/lab/programs/index.ts";

const REQUESTS = Number(process.argv[2] ?? 20_000);
const BYTES = 512;
const SIZE = 1 << 20;
const MAX_QUEUES = 16;
/** Sessions that are opened at once. */
const AT_ONCE = 32;

interface Shape {
  readonly queues?: number;
  /** Requests in flight on each queue. */
  readonly depth?: number;
  readonly regions?: number;
  readonly sessions?: number;
}

const folder = mkdtempSync(join(tmpdir(), "vhost-user-scaling-"));
const socketPath = join(folder, "s");
const extraArguments = ["--null", "--queues", String(MAX_QUEUES), "-q"];
const server = await startBuiltIn({ socketPath, size: SIZE, extraArguments });

async function open({ queues = 1, depth = 16, regions = 1 }: Shape) {
  const size = 2 ** Math.ceil(Math.log2(Math.max(64, depth)));
  const bytes = queues * (depth * (BYTES + 64) + size * 64 + 16_384) + 65_536;
  const client = await Client.connect(socketPath, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    timeoutMs: 60_000,
    // Rings and buffers are where they fit: with many regions a look-up skips nearly all of them.
    memory: { size: Math.max(bytes * 2, regions * 65_536), regions },
  });
  const options = { queues, depth, queueSize: size, transferBytes: BYTES };
  return { client, driver: await BlockDriver.start(client, options) };
}

/** Nanoseconds a request, all sessions and queues together. */
async function measure(shape: Shape): Promise<number> {
  const { queues = 1, depth = 16, sessions = 1 } = shape;
  const opened: Awaited<ReturnType<typeof open>>[] = [];
  try {
    while (opened.length < sessions) {
      const count = Math.min(AT_ONCE, sessions - opened.length);
      const more = Array.from({ length: count }, async () => open(shape));
      opened.push(...(await Promise.all(more)));
    }
    let left = REQUESTS;
    const lane = async (driver: BlockDriver): Promise<void> => {
      for (; left > 0; left -= 1) await driver.read(0, BYTES);
    };
    const lanes = opened.flatMap(({ driver }) =>
      Array.from({ length: Math.ceil((queues * depth) / sessions) }, () => driver),
    );
    const start = performance.now();
    await Promise.all(lanes.map(lane));
    return ((performance.now() - start) / REQUESTS) * 1e6;
  } finally {
    for (const { client } of opened) await client.close();
  }
}

async function table(title: string, values: readonly number[], shape: (value: number) => Shape) {
  console.log(title);
  await measure(shape(values[0] ?? 1));
  let first = 0;
  for (const value of values) {
    const time = await measure(shape(value));
    if (first === 0) first = time;
    const [number, ns] = [String(value).padStart(5), time.toFixed(0).padStart(8)];
    console.log(`  ${number} ${ns} ns a request  x ${(time / first).toFixed(2)}`);
  }
}

try {
  await table("queues, 16 in flight on each", [1, 2, 4, 8, 16], (queues) => ({ queues }));
  await table("in flight on one queue", [1, 4, 16, 64, 256, 1024], (depth) => ({ depth }));
  await table("memory regions", [1, 8, 64, 253, 509], (regions) => ({ regions }));
  const sessions = [1, 10, 100, 1000];
  await table("sessions, one in flight on each", sessions, (count) => ({
    sessions: count,
    depth: count,
  }));
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
