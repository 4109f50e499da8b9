import assert from "node:assert/strict";
import { test } from "node:test";
import {
  benchHtml,
  benchLines,
  type BenchReport,
  workloadDifferences,
} from "../../../../src/lab/results/index.ts";

const rings = { queues: 1, threads: 1, ringMode: "hybrid", packed: false, inOrder: false };
const report: BenchReport = {
  schemaVersion: 1,
  kind: "bench",
  bench: "block",
  target: "disk.sock",
  options: { rw: "randread", blockSize: 4096, depth: 16, ...rings, seed: 1, warmUpMs: 1000 },
  partial: false,
  requests: 2500,
  seconds: 2.5,
  iops: 1000,
  bytesPerSecond: 4_096_000,
  perSecond: [1000, 1000, 500],
  environment: {},
  warnings: [],
};

const workloads: readonly (readonly [string, BenchReport["options"], string])[] = [
  ["block", report.options, "block: randread 4 KiB, depth 16, 1 queue, 1 thread, ring mode hybrid"],
  [
    "block",
    {
      ...report.options,
      rw: "rw",
      readPercent: 80,
      blockSize: 1536,
      queues: 4,
      threads: 2,
      packed: true,
      inOrder: true,
      rate: 1000,
      size: 1 << 20,
      verify: true,
    },
    "block: rw 1.5 KiB, 80 % reads, depth 16, 4 queues, 2 threads, ring mode hybrid, packed rings, in order, 1,000 requests/s, the first 1 MiB, verified",
  ],
  [
    "net tx",
    { ...rings, frameSize: 64, depth: 256, batch: 32, queueSize: 256 },
    "net tx: 64 byte frames, depth 256, batch 32, 1 queue pair, 1 thread, ring mode hybrid, rings of 256",
  ],
  ["connect", { requests: 200 }, "connect: 200 sessions, one after another"],
  [
    "backend block",
    { queues: 2, workers: true, ringMode: "poll", null: true, size: 512 },
    "backend block: 2 queues, in worker threads, ring mode poll, no data is moved, 512 bytes",
  ],
];
for (const [bench, options, line] of workloads) {
  test(`the text of a bench begins with its workload: ${line}`, () => {
    assert.equal(benchLines({ ...report, bench, options })[0], line);
  });
}

test("the text of a run that ended early says so before any figure", () => {
  const lines = benchLines({ ...report, partial: true, endedBy: "interrupted by SIGINT" });
  assert.equal(lines[1], "partial result: interrupted by SIGINT");
  assert.match(lines[2] ?? "", /^1,000 IOPS/);
});

test("runs of different workloads differ in their options, but not in seed, warm-up or length", () => {
  const { options } = report;
  const same = { ...options, seed: 2, warmUpMs: 1, requests: 5 };
  assert.deepEqual(workloadDifferences(report, { bench: "block", options: same }), []);
  const { blockSize: _, ...without } = options;
  const other = { ...without, depth: 1, rate: 5 };
  assert.deepEqual(workloadDifferences(report, { bench: "block", options: other }), [
    "depth 1 (now 16)",
    "rate 5 (now not set)",
    "blockSize not set (now 4096)",
  ]);
  assert.deepEqual(workloadDifferences(report, { bench: "net tx", options }), [
    "net tx (now block)",
  ]);
});

test("the chart of a run names the end of each second, the last one where the run ended", () => {
  const html = benchHtml(report);
  for (const label of ["1 s", "2 s", "2.5 s"]) assert.ok(html.includes(`>${label}</text>`), label);
});
