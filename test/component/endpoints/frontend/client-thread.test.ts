import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueError } from "../../../../src/core/base/index.ts";
import type {
  BlockLoadResult,
  BlockLoadSpec,
} from "../../../../src/lab/kits/block/workloads/load.ts";
import { RING_MODES } from "../../../../src/core/runtime/index.ts";
import { progressBuffer } from "../../../../src/lab/workloads/bench/threads.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, DISK_BYTES, serveDisk } from "../../support/session.ts";

guardLeaks();

const LOAD = new URL("../../../../src/lab/kits/block/workloads/load.js", import.meta.url);
const MEMORY_BYTES = 1 << 20;

function spec(more: Partial<BlockLoadSpec> = {}): BlockLoadSpec {
  return {
    workload: "randwrite",
    readPercent: 0,
    blockBytes: 4096,
    depth: 8,
    start: 0,
    length: DISK_BYTES,
    seed: 3,
    verify: true,
    warmUpMs: 0,
    durationMs: undefined,
    requests: 500,
    rate: undefined,
    progress: progressBuffer(),
    ...more,
  };
}

function queue(data: BlockLoadSpec) {
  return { index: 0, size: 64, memoryBytes: MEMORY_BYTES, data };
}

for (const packed of [false, true]) {
  for (const ringMode of RING_MODES) {
    test(`a thread drives a ${packed ? "packed" : "split"} queue by ${ringMode}, and the ring can be stopped`, async (t) => {
      const served = await serveDisk(t);
      const client = await connectDisk(t, served, { packed });
      const options = { module: LOAD, ringMode, queues: [queue(spec())] };
      const thread = await client.startThread(options);
      thread.go();
      const [result] = (await thread.results) as BlockLoadResult[];
      assert.ok(result !== undefined && result.requests >= 500, `${result?.requests}`);
      assert.equal(result.failure, undefined);
      await thread.stop();
      await client.close();
      assert.deepEqual(served.problems, []);
    });
  }
}

test("a thread that is asked to finish leaves once everything is back", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const endless = spec({ requests: undefined });
  const thread = await client.startThread({
    module: LOAD,
    ringMode: "event",
    queues: [queue(endless)],
  });
  thread.go();
  while (Atomics.load(new Uint32Array(endless.progress), 0) === 0) await new Promise(setImmediate);
  await client.close();
  const [result] = (await thread.results) as BlockLoadResult[];
  assert.equal(result?.failure, undefined);
  assert.deepEqual(served.problems, []);
});

test("a thread that never began can be stopped", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const never = spec({ requests: undefined });
  await client.startThread({ module: LOAD, ringMode: "event", queues: [queue(never)] });
  await client.close();
  assert.equal(Atomics.load(new Uint32Array(never.progress), 0), 0);
  assert.deepEqual(served.problems, []);
});

test("a thread whose module does not exist is an error, and leaves nothing", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const module = new URL("file:///no-such-module.js");
  const options = { module, ringMode: "event", queues: [queue(spec())] } as const;
  await assert.rejects(client.startThread(options), QueueError);
});

test("a thread whose back-end goes away ends with the connection's error", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const endless = spec({ requests: undefined });
  const thread = await client.startThread({
    module: LOAD,
    ringMode: "event",
    queues: [queue(endless)],
  });
  thread.go();
  while (Atomics.load(new Uint32Array(endless.progress), 0) === 0) await new Promise(setImmediate);
  served.server.close();
  await assert.rejects(thread.results, /closed/);
});
