/** The life of a ring in every format and place: stopped, moved on, its descriptors exchanged. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EventFd } from "../../../../src/core/os/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";

guardLeaks();

interface Shape {
  readonly packed: boolean;
  readonly inOrder: boolean;
  readonly workers: boolean;
}

const shapes: readonly Shape[] = [false, true].flatMap((packed) =>
  [false, true].flatMap((inOrder) =>
    [false, true].map((workers) => ({ packed, inOrder, workers })),
  ),
);

/** Descriptors of a request; they take the ring's own. */
const PARTS = 3;

async function makeRing(t: TestContext, { packed, inOrder, workers }: Shape) {
  const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }));
  const without = { virtio: VirtioFeature.IndirectDesc };
  const client = await connectDisk(t, served, { packed, inOrder, without });
  // Of a packed ring the size may be any: its end comes in the middle of a chain.
  const size = packed ? 7 : 8;
  let waiting: { left: number; resolve: () => void } | undefined;
  const queue = client.createQueue({
    index: 0,
    size,
    ringMode: "event",
    handler: {
      done: () => {
        if (waiting !== undefined && --waiting.left === 0) waiting.resolve();
      },
      failed: () => undefined,
    },
  });
  const { guestAddress: at, bytes } = client.memory.allocate(32 + 512);
  let total = 0;
  return {
    client,
    served,
    queue,
    size,
    get total() {
      return total;
    },
    async read(count: number) {
      const done = new Promise<void>((resolve) => (waiting = { left: count, resolve }));
      bytes.fill(0xff, 16);
      for (let i = 0; i < count; i += 1)
        assert.ok(queue.add(segmentsOf([at, 16], [at + 32, 512], [at + 16, 1]), 1, i));
      queue.publish();
      total += count;
      await done;
      assert.deepEqual([bytes[16], bytes[32]], [0, 0]);
    },
  };
}

/** The position of a ring after a number of requests, by the specification. */
function baseAfter(requests: number, { packed }: Shape, size: number): number {
  if (!packed) return requests & 0xffff;
  const descriptors = requests * PARTS;
  const wrap = Math.floor(descriptors / size) % 2 === 0 ? 0x8000 : 0;
  return (((descriptors % size) | wrap) * 0x1_0001) >>> 0;
}

for (const shape of shapes) {
  const name = [
    shape.packed ? "packed" : "split",
    shape.inOrder ? "in order" : "in any order",
    shape.workers ? "in a worker" : "on the loop",
  ].join(", ");

  test(`GET_VRING_BASE is exact at every stop, and the ring goes on from there (${name})`, async (t) => {
    const ring = await makeRing(t, shape);
    const { client, queue, size, served } = ring;
    for (let round = 0; round < 20; round += 1) {
      await client.startQueue(queue);
      for (let i = round % 4; i > 0; i -= 1) await ring.read(1 + (i & 1));
      assert.equal(await client.stopQueue(queue), baseAfter(ring.total, shape, size));
    }
    assert.ok(ring.total > 30);
    assert.deepEqual(served.problems, []);
  });

  test(`kick and call are exchanged while requests pass (${name})`, async (t) => {
    const ring = await makeRing(t, shape);
    const { client, queue, served } = ring;
    await client.startQueue(queue);
    const { requests } = client;
    const dead: EventFd[] = [];
    for (let round = 0; round < 20; round += 1) {
      await ring.read(2);
      // For a moment notifications go nowhere; what is announced meanwhile is found afterwards.
      const [kick, call] = [EventFd.create(), EventFd.create()];
      dead.push(kick, call);
      const reading = ring.read(1);
      await requests.setVringKick(0, kick.descriptor);
      await requests.setVringCall(0, call.descriptor);
      await requests.setVringCall(0, queue.call.descriptor);
      await requests.setVringKick(0, queue.kick.descriptor);
      await reading;
    }
    for (const event of dead) event.close();
    assert.equal(await client.stopQueue(queue), baseAfter(ring.total, shape, ring.size));
    assert.deepEqual(served.problems, []);
  });

  test(`disabled rings are left alone, enabled ones looked at without a kick (${name})`, async (t) => {
    const ring = await makeRing(t, shape);
    const { client, queue, served } = ring;
    await client.startQueue(queue);
    for (let round = 0; round < 10; round += 1) {
      await client.requests.setVringEnable(0, false);
      let isDone = false;
      const reading = ring.read(1).then(() => (isDone = true));
      // The control path is through: had the ring been served, it would show.
      for (let i = 0; i < 3; i += 1) await client.requests.getFeatures();
      assert.equal(queue.ring.outstanding, 1);
      assert.equal(isDone, false);
      await client.requests.setVringEnable(0, true);
      await reading;
    }
    assert.deepEqual(served.problems, []);
  });
}
