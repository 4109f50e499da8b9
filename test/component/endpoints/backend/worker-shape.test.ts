import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../../../src/endpoints/frontend/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { RING_MODES, type RingMode } from "../../../../src/core/runtime/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";
import { createRingDriver } from "../../support/small-driver.ts";

guardLeaks();

const BLOCKS = 30;
const SIZE = 16;

/** Has the driver's queue on this thread's event loop; its result. */
async function driveHere(client: Client, ringMode: RingMode): Promise<unknown> {
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const queue = client.createQueue({
    index: 0,
    size: SIZE,
    ringMode,
    handler: {
      done: (token, written) => driver.done(token, written),
      batchDone: () => {
        driver.submit();
        if (driver.finished) settle?.resolve();
      },
      failed: (error) => settle?.reject(error),
    },
  });
  const { memory, features } = client;
  const publish = (): void => queue.publish();
  const driver = createRingDriver({ queue: queue.ring, memory, features, publish }, BLOCKS);
  const finished = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  await client.startQueue(queue);
  driver.submit();
  await finished;
  return driver.result();
}

/** Has it in a thread, where the memory is mapped again. */
async function driveInThread(client: Client, ringMode: RingMode): Promise<unknown> {
  const module = new URL("../../support/small-driver.js", import.meta.url);
  const queue = { index: 0, size: SIZE, memoryBytes: 1 << 16, data: BLOCKS };
  const thread = await client.startThread({ module, ringMode, queues: [queue] });
  thread.go();
  const [result] = await thread.results;
  await thread.stop();
  return result;
}

let turn = 0;

for (const packed of [false, true]) {
  for (const iommu of [false, true]) {
    for (const workers of [false, true]) {
      for (const mode of RING_MODES) {
        const where = [
          packed ? "packed" : "split",
          iommu ? "by IOVA" : "direct",
          `device by ${mode} ${workers ? "in a worker" : "on the loop"}`,
        ].join(", ");
        test(`the same driver runs unchanged by event, poll and hybrid, here and in a thread: ${where}`, async (t) => {
          const rings = { workers, ringMode: mode };
          const served = await serveDisk(t, (options) => ({ ...options, iommu, rings }));
          // Here in each way; in a thread, which takes its time to start, in one after the other.
          const uses = RING_MODES.map((ringMode) => ({ drive: driveHere, ringMode }));
          uses.push({ drive: driveInThread, ringMode: RING_MODES[turn++ % 3] ?? "event" });
          for (const { drive, ringMode } of uses) {
            const inOrder = ringMode !== "hybrid";
            const client = await connectDisk(t, served, { packed, iommu, inOrder });
            const { features, ringFeatures } = client;
            assert.deepEqual(
              [(features & VirtioFeature.AccessPlatform) !== 0n, ringFeatures.packed],
              [iommu, packed],
            );
            assert.equal(ringFeatures.inOrder, inOrder);
            assert.equal(await drive(client, ringMode), 2 * BLOCKS);
            if (iommu) assert.ok((client.iommu?.counters.misses ?? 0) > 0);
            await client.close();
          }
          assert.deepEqual(served.problems, []);
        });
      }
    }
  }
}
