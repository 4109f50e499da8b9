import assert from "node:assert/strict";
import { test } from "node:test";
import { StateError } from "../../../../src/core/base/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  ringFormat,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { locateRing, openRings, segmentsOf } from "../../support/rings.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";

guardLeaks();

for (const packed of [false, true]) {
  for (const inOrder of [false, true]) {
    const name = `${packed ? "packed" : "split"}${inOrder ? ", in order" : ""}`;

    test(`a driver half that is reset starts as a new one, and reports the chains it dropped (${name})`, (t) => {
      const features = { packed, inOrder, indirect: true, eventIdx: true };
      const { memory, table, driver } = openRings({ ...features, size: 8 });
      t.after(() => {
        table.close();
        memory.close();
      });
      const { guestAddress: at } = memory.allocate(64);
      const chain = createChainCursor();
      for (let round = 0; round < 5; round += 1) {
        const ring = locateRing(table, driver);
        const base = ringFormat(packed).freshBase;
        assert.equal(driver.base, base);
        const device = createDeviceQueue({ size: 8, memory: ring, space: table, features, base });
        const done: number[] = [];
        for (let token = 0; token < 20; token += 1) {
          // Chains of one descriptor and of three, and some that end at the ring's end.
          const parts = token % 3 === 0 ? 1 : 9;
          const list = Array.from({ length: parts }, (_, i) => [at + i, 1] as const);
          if (!driver.add(segmentsOf(...list.slice(0, 3)), 1, token)) break;
          driver.publish();
          if (token > 10 + round) continue;
          assert.ok(device.next(chain), device.broken?.reason);
          device.complete(chain.id, 0);
          device.publish();
          driver.poll((token) => done.push(token), 10);
        }
        const dropped: number[] = [];
        const { outstanding } = driver;
        assert.ok(outstanding > 0);
        driver.reset((token) => dropped.push(token));
        assert.equal(driver.outstanding, 0);
        assert.equal(dropped.length, outstanding);
        const both = [...done, ...dropped].sort((a, b) => a - b);
        assert.deepEqual(
          both,
          both.map((_, i) => i),
        );
        for (const { bytes } of Object.values(driver.parts))
          assert.ok(bytes.every((byte) => byte === 0));
      }
    });

    for (const workers of [false, true]) {
      test(`a queue is reset and goes on (${name}${workers ? ", in a worker" : ""})`, async (t) => {
        const served = await serveDisk(t, (options) => ({
          ...options,
          ringReset: true,
          rings: { workers },
        }));
        const sent: (readonly [request: number, num: number])[] = [];
        const client = await connectDisk(t, served, {
          packed,
          inOrder,
          observe: (way, { header: { request }, payload }) => {
            if (way === "sent") sent.push([request, payload[4] ?? 0]);
          },
        });
        let completed: () => void = () => undefined;
        const queue = client.createQueue({
          index: 0,
          size: 8,
          ringMode: "event",
          handler: { done: () => completed(), failed: () => undefined },
        });
        await client.startQueue(queue);
        const { guestAddress: at, bytes } = client.memory.allocate(32 + 512);
        const read = async () => {
          bytes.fill(0xff, 16);
          const done = new Promise<void>((resolve) => (completed = resolve));
          assert.ok(queue.add(segmentsOf([at, 16], [at + 32, 512], [at + 16, 1]), 1, 0));
          queue.publish();
          await done;
          assert.deepEqual([bytes[16], bytes[32], bytes[543]], [0, 0, 0]);
        };
        for (let i = 0; i < 5; i += 1) await read();
        sent.length = 0;
        assert.deepEqual(await client.resetQueue(queue), []);
        assert.deepEqual(
          sent.slice(0, 5).map(([request]) => request),
          [
            FrontendRequest.SetVringEnable,
            FrontendRequest.GetVringBase,
            FrontendRequest.SetVringNum,
            FrontendRequest.SetVringBase,
            FrontendRequest.SetVringAddr,
          ],
        );
        assert.equal(sent[3]?.[1], ringFormat(packed).freshBase & 0xff);
        for (let i = 0; i < 20; i += 1) await read();
        assert.deepEqual(served.problems, []);
      });
    }
  }
}

test("without the feature, which is off by default, a queue is not reset", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  assert.equal(client.features & VirtioFeature.RingReset, 0n);
  const queue = client.createQueue({
    index: 0,
    size: 4,
    ringMode: "event",
    handler: { done: () => undefined, failed: () => undefined },
  });
  await client.startQueue(queue);
  await assert.rejects(client.resetQueue(queue), StateError);
});
