/** What a broken ring means for its session: checks hostile/15, 26 and 27. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockRequest, BlockStatus } from "../../../../src/endpoints/devices/block/index.ts";
import type { Client, ClientQueue } from "../../../../src/endpoints/frontend/index.ts";
import type { RingWords } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, provesWell, serveDisk } from "../../support/session.ts";
import { RawPackedRing, RawSplitRing } from "../../../../src/lab/wire/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { until } from "../../../support/until.ts";

const { Indirect: INDIRECT } = DescriptorFlag;

guardLeaks();

interface Ring {
  readonly queue: ClientQueue;
  /** Reads the first sector; the status. */
  read(): Promise<number>;
}

function makeRing(client: Client, index: number): Ring {
  let completed: () => void = () => undefined;
  const queue = client.createQueue({
    index,
    size: 8,
    ringMode: "event",
    handler: { done: () => completed(), failed: () => completed() },
  });
  const { guestAddress: at, bytes } = client.memory.allocate(32 + 512);
  return {
    queue,
    async read() {
      bytes[16] = 0xff;
      const done = new Promise<void>((resolve) => (completed = resolve));
      assert.ok(queue.add(segmentsOf([at, 16], [at + 32, 512], [at + 16, 1]), 1, 0));
      queue.publish();
      await done;
      return bytes[16];
    },
  };
}

/** A ring whose completions are counted. */
function countingQueue(client: Client) {
  let count = 0;
  const queue = client.createQueue({
    index: 0,
    size: 8,
    ringMode: "event",
    handler: { done: () => (count += 1), failed: () => undefined },
  });
  return { queue, completed: () => count };
}

const HOLE = 0x1234_5000;

/** Breaks an unused ring; what the back-end says of it. */
const attacks: readonly [name: string, attack: (raw: RingWords) => RegExp][] = [
  [
    "an indirect table of half a descriptor",
    (raw) => {
      const descriptor = { address: HOLE, length: 8, flags: INDIRECT };
      if (raw.format === "packed") new RawPackedRing(raw).publish(descriptor);
      else {
        const driver = new RawSplitRing(raw);
        driver.put(0, descriptor);
        driver.publish(0);
      }
      return /n \* 16 bytes, got 8 \(VIRTIO 2\.(7\.5\.3|8\.7)\)$/;
    },
  ],
  [
    "more than the ring holds",
    (raw) => {
      if (raw.format === "packed") {
        const endless = Array.from({ length: 8 }, () => ({ address: 0, length: 0, flags: 1 }));
        new RawPackedRing(raw).publish(...endless);
      } else new RawSplitRing(raw).moveTo(9);
      return /at most 8 .* \(VIRTIO 2\.(7\.6|8\.17)\)$/;
    },
  ],
];

for (const packed of [false, true]) {
  for (const workers of [false, true]) {
    for (const [name, attack] of attacks) {
      const where = `${packed ? "packed" : "split"}, ${workers ? "in a worker" : "on the loop"}`;
      test(`${name}: the error descriptor reports it, the error names the rule, and no other ring is affected (${where})`, async (t) => {
        const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }), 2);
        const client = await connectDisk(t, served, { packed });
        const [victim, other] = [makeRing(client, 0), makeRing(client, 1)];
        await client.startQueue(victim.queue);
        await client.startQueue(other.queue);
        assert.equal(await other.read(), BlockStatus.Ok);
        assert.equal(victim.queue.takeError(), false);
        const reason = attack(victim.queue.ring.raw);
        victim.queue.kick.signal();
        await until(() => served.problems.length > 0, "the problem");
        assert.match(served.problems[0]?.message ?? "", reason);
        assert.equal(victim.queue.takeError(), true, "VRING_ERR");
        assert.equal(other.queue.takeError(), false);
        assert.equal(await other.read(), BlockStatus.Ok, "the other ring");
        // More kicks are no more problems; the next session finds nothing of it.
        victim.queue.kick.signal();
        assert.equal(await other.read(), BlockStatus.Ok);
        await client.close();
        await provesWell(served);
        assert.equal(served.problems.length, 1);
      });
    }
  }

  for (const workers of [false, true]) {
    const where = `${packed ? "packed" : "split"}, ${workers ? "in a worker" : "on the loop"}`;

    test(`a buffer outside of memory fails its request, and memory that is added serves the next (${where})`, async (t) => {
      const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }));
      const client = await connectDisk(t, served, { packed });
      const { queue, completed } = countingQueue(client);
      await client.startQueue(queue);
      const { guestAddress: at, bytes } = client.memory.allocate(64);
      const [region] = client.memory.regions;
      assert.ok(region);
      const added = {
        ...region.description,
        guestAddress: 0x5000_0000n,
        userAddress: 0x7000_0000n,
      };
      const far = Number(added.guestAddress) + 4096;
      const read = segmentsOf([at, 16], [far, 512], [at + 16, 1]);
      for (let i = 0; i < 3; i += 1) {
        bytes[16] = 0xee;
        assert.ok(queue.add(read, 1, i));
        queue.publish();
        await until(() => completed() === i + 1, "the completion");
        assert.equal(bytes[16], BlockStatus.IoError);
      }
      assert.equal(queue.takeError(), false);
      assert.deepEqual(
        served.problems.map(({ message }) => message.replace(/;.*/, "")),
        [
          "ring 0: a request fails: expected a buffer inside shared memory, got 512 bytes at guest address 0x50001000",
        ],
      );
      await client.requests.addMemReg(added, region.fd);
      bytes[16] = 0xee;
      assert.ok(queue.add(read, 1, 3));
      queue.publish();
      await until(() => completed() === 4, "the completion");
      assert.equal(bytes[16], BlockStatus.Ok);
      assert.equal(served.problems.length, 1);
    });

    test(`a ring whose own memory was removed goes on once it is added again (${where})`, async (t) => {
      const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }));
      const client = await connectDisk(t, served, { packed });
      const { queue, completed } = countingQueue(client);
      await client.startQueue(queue);
      const { guestAddress: at, bytes } = client.memory.allocate(64);
      const [region] = client.memory.regions;
      assert.ok(region);
      await client.requests.remMemReg(region.description);
      await until(() => served.problems.length === 1, "the problem");
      bytes[0] = BlockRequest.Flush;
      bytes[16] = 0xee;
      assert.ok(queue.add(segmentsOf([at, 16], [at + 16, 1]), 1, 0));
      queue.publish();
      await client.requests.addMemReg(region.description, region.fd);
      await until(() => completed() === 1, "the completion");
      assert.equal(bytes[16], BlockStatus.Ok);
    });
  }

  const format = packed ? "packed" : "split";

  test(`a request whose status byte is outside of memory breaks its ring (${format})`, async (t) => {
    const served = await serveDisk(t);
    const client = await connectDisk(t, served, { packed });
    const { queue } = countingQueue(client);
    await client.startQueue(queue);
    const { guestAddress: at } = client.memory.allocate(64);
    assert.ok(queue.add(segmentsOf([at, 16], [HOLE, 1]), 1, 1));
    queue.publish();
    await until(() => served.problems.length === 2, "the problem");
    assert.match(served.problems[1]?.message ?? "", /^ring 0 is broken: expected a buffer inside/);
  });

  test(`a request without a place for a status breaks its ring (${format}; hostile/15)`, async (t) => {
    const served = await serveDisk(t);
    const client = await connectDisk(t, served, { packed });
    const { queue } = makeRing(client, 0);
    await client.startQueue(queue);
    const { guestAddress: at } = client.memory.allocate(64);
    assert.ok(queue.add(segmentsOf([at, 16], [at + 16, 16]), 2, 1));
    queue.publish();
    await until(() => served.problems.length > 0, "the problem");
    assert.match(served.problems[0]?.message ?? "", /^ring 0 is broken: .* \(VIRTIO 5\.2\.6/);
    assert.equal(queue.takeError(), true);
    await client.close();
    await provesWell(served);
  });

  test(`a request without a header fails, and the ring goes on (${format}; hostile/15)`, async (t) => {
    const served = await serveDisk(t);
    const client = await connectDisk(t, served, { packed });
    const ring = makeRing(client, 0);
    await client.startQueue(ring.queue);
    const { guestAddress: at, bytes } = client.memory.allocate(64);
    assert.ok(ring.queue.add(segmentsOf([at, 16], [at + 16, 16]), 0, 1));
    assert.equal(await ring.read(), BlockStatus.Ok);
    await until(() => ring.queue.ring.outstanding === 0, "both");
    assert.equal(bytes[31], BlockStatus.IoError);
    assert.deepEqual(served.problems, []);
  });
}
