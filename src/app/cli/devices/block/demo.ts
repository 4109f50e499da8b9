import { blockType } from "../../../../endpoints/devices/block/type.ts";
import { join } from "node:path";
import { createHistogram } from "node:perf_hooks";
import { UsageError } from "../../../../core/base/index.ts";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../../../endpoints/devices/block/index.ts";
import { Client } from "../../../../endpoints/frontend/index.ts";
import {
  type BlockPassResult,
  type BlockWork,
  runBlockPass,
} from "../../../../lab/kits/block/workloads/index.ts";
import { addon } from "../../../../core/os/index.ts";
import {
  makeRecordedFolder,
  type ManagedProcess,
  startBuiltIn,
} from "../../../../lab/programs/index.ts";
import { protocolFeatureNames, virtioFeatureNames } from "../../../../core/protocol/index.ts";
import { type CommonOptions, type Context, messagePrinter } from "../../context.ts";
import type { Output } from "../../output.ts";
import { formatSize } from "../../units.ts";

export interface DemoOptions extends CommonOptions {
  readonly size?: number | undefined;
  readonly json?: true | undefined;
}

const DEFAULT_SIZE = 64 << 20;
const SEED = 20_260;
/** Requests whose latency is measured, 4 KiB each, one after another. */
const LATENCY_BYTES = 4096;
const LATENCY_REQUESTS = 4096;

export async function runDemo(options: DemoOptions, context: Context): Promise<void> {
  const { size = DEFAULT_SIZE } = options;
  if (size === 0 || size % LATENCY_BYTES !== 0) {
    throw new UsageError(
      `--size must be a positive multiple of ${LATENCY_BYTES} bytes, not ${size}`,
    );
  }
  // Its absence is found here, with its remedy, and not by a back-end that does not come up.
  addon();
  const folder = makeRecordedFolder("demo");
  const socket = join(folder.path, "disk.sock");
  let backend: ManagedProcess | undefined;
  try {
    // The same back-end that `serve block` is, in a process of its own.
    backend = await startBuiltIn({ socketPath: socket, size, signal: context.signal });
    await talk(socket, size, backend, options, context);
  } finally {
    await backend?.stop();
    folder.remove();
  }
}

async function talk(
  socket: string,
  size: number,
  backend: ManagedProcess,
  options: DemoOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  await using client = await Client.connect(socket, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    signal,
    observe: await messagePrinter(context, options, blockType),
  });
  const driver = await BlockDriver.start(client, { depth: 16 });
  const features = virtioFeatureNames(client.features, blockType);
  const protocolFeatures = protocolFeatureNames(client.protocolFeatures);
  if (!options.json) {
    output.print(
      `back-end   pid ${backend.pid}, ${formatSize(driver.size)} block device on ${socket}`,
    );
    output.print("negotiated");
    for (const name of [...features, ...protocolFeatures]) output.print(`  ${name}`);
  }
  const run = async (work: BlockWork): Promise<BlockPassResult> =>
    runBlockPass(requireQueue(driver), {
      work,
      size,
      seed: SEED,
      signal,
      onProgress: (bytes) => output.progress(() => `${work} ${Math.floor((bytes / size) * 100)} %`),
    });
  const write = await run("write");
  await driver.flush({ signal });
  const read = await run("verify");
  const latency = await measureLatency(socket, size, signal);
  const result = {
    features,
    protocolFeatures,
    bytes: size,
    verified: true,
    writeMiBs: rate(write),
    readMiBs: rate(read),
    latencyUs: latency,
  };
  if (options.json) output.json({ schemaVersion: 1, kind: "demo", ...result });
  else printResult(output, result);
}

function printResult(
  output: Output,
  result: { bytes: number; writeMiBs: number; readMiBs: number; latencyUs: Record<string, number> },
): void {
  const percentiles = Object.entries(result.latencyUs).map(([name, us]) => `${name} ${us} µs`);
  output.print(
    `written    ${formatSize(result.bytes)} at ${result.writeMiBs.toFixed(0)} MiB/s (64 KiB, depth 16)`,
  );
  output.print(
    `verified   ${formatSize(result.bytes)} at ${result.readMiBs.toFixed(0)} MiB/s: every byte is right`,
  );
  output.print(`latency    ${percentiles.join(", ")} (4 KiB read, depth 1)`);
  output.print(output.style("green", "ok: block I/O over vhost-user, no virtual machine"));
}

/** 4 KiB reads one after another, on a connection of their own. Microseconds. */
async function measureLatency(
  socket: string,
  size: number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  await using client = await Client.connect(socket, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    signal,
  });
  const driver = await BlockDriver.start(client, { depth: 1, transferBytes: LATENCY_BYTES });
  const latency = createHistogram();
  await runBlockPass(requireQueue(driver), {
    work: "verify",
    size: Math.min(size, LATENCY_BYTES * LATENCY_REQUESTS),
    seed: SEED,
    latency,
    signal,
  });
  const us = (percentile: number): number => Math.round(latency.percentile(percentile) / 100) / 10;
  return { p50: us(50), p90: us(90), p99: us(99), "p99.9": us(99.9) };
}

function requireQueue(driver: BlockDriver) {
  const [queue] = driver.queues;
  if (queue === undefined) throw new RangeError("a block device has at least one queue");
  return queue;
}

function rate({ bytes, seconds }: BlockPassResult): number {
  return Math.round((bytes / (1 << 20) / seconds) * 10) / 10;
}
