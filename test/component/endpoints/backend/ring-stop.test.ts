/** A ring that is stopped, in whatever way, completes the requests that its device processes first. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BlockRequest, BlockStatus } from "../../../../src/endpoints/devices/block/index.ts";
import type { Client } from "../../../../src/endpoints/frontend/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeMoody } from "../../support/moody-worker.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";
import { slowFlush } from "../../support/slow-flush.ts";
import { turns, until } from "../../../support/until.ts";

guardLeaks();

interface Shape {
  readonly packed: boolean;
  readonly workers: boolean;
}

const shapes: readonly Shape[] = [false, true].flatMap((packed) =>
  [false, true].map((workers) => ({ packed, workers })),
);
const nameOf = ({ packed, workers }: Shape): string =>
  `${packed ? "packed" : "split"}, ${workers ? "in a worker" : "on the loop"}`;

/** What stops a ring, and is acknowledged. */
const ways: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  "SET_VRING_ENABLE 0": async ({ requests }) => requests.setVringEnable(0, false),
  RESET_OWNER: async ({ requests }) => requests.resetOwner(),
  GET_VRING_BASE: async ({ requests }) => requests.getVringBase(0),
  RESET_DEVICE: async ({ requests }) => requests.resetDevice(),
  "SET_STATUS 0": async ({ requests }) => requests.setStatus(0),
};

/** What stops a ring for a moment. */
const pauses: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  SET_MEM_TABLE: async ({ requests, memory }) =>
    requests.setMemTable(
      memory.regions.map(({ description }) => description),
      memory.regions.map(({ fd }) => fd),
    ),
  REM_MEM_REG: async ({ requests, memory }) => {
    const [region] = memory.regions;
    assert.ok(region);
    const gap = 0x1000_0000n;
    const other = {
      ...region.description,
      guestAddress: region.description.guestAddress + gap,
      userAddress: region.description.userAddress + gap,
    };
    const added = requests.addMemReg(other, region.fd);
    await Promise.all([added, requests.remMemReg(other)]);
  },
};

/** A ring whose device is in the middle of a flush. */
async function flushing(t: TestContext, { packed, workers }: Shape) {
  const gate = EventFd.create();
  const arrived = EventFd.create();
  t.after(() => {
    gate.close();
    arrived.close();
  });
  const slow = workers ? undefined : slowFlush(t);
  const mood = { gate: gate.descriptor.fd, arrived: arrived.descriptor.fd };
  const served = await serveDisk(t, (options) => ({
    ...options,
    rings: { workers },
    device: workers ? () => makeMoody(options.device(), () => mood) : options.device,
  }));
  const client = await connectDisk(t, served, { packed });
  let completed = 0;
  const queue = client.createQueue({
    index: 0,
    size: 8,
    ringMode: "event",
    handler: { done: () => (completed += 1), failed: () => undefined },
  });
  const { guestAddress: at, bytes } = client.memory.allocate(32);
  const offer = (): void => {
    bytes[0] = BlockRequest.Flush;
    bytes[16] = 0xee;
    assert.ok(queue.add(segmentsOf([at, 16], [at + 16, 1]), 1, 0));
    queue.publish();
  };
  const begun = async (): Promise<void> =>
    until(() => (slow ? slow.pending === 1 : arrived.drain()), "the flush to begin");
  await client.startQueue(queue);
  offer();
  await begun();
  return {
    client,
    queue,
    served,
    offer,
    begun,
    bytes,
    completed: () => completed,
    release: () => (slow ? slow.release() : gate.signal()),
  };
}

for (const shape of shapes) {
  for (const [name, stop] of Object.entries({ ...ways, ...pauses })) {
    test(`${name} is acknowledged only when the flush in flight has completed (${nameOf(shape)})`, async (t) => {
      const { client, bytes, release, completed, served } = await flushing(t, shape);
      let isAcknowledged = false;
      const stopping = stop(client).then(() => (isAcknowledged = true));
      await turns(100);
      assert.equal(isAcknowledged, false, "the flush has not ended");
      assert.equal(bytes[16], 0xee);
      release();
      await stopping;
      assert.equal(bytes[16], BlockStatus.Ok, "the status byte");
      await until(() => completed() === 1, "its completion");
      // Nothing of it comes behind the acknowledgement.
      bytes[16] = 0xaa;
      await turns(50);
      assert.equal(bytes[16], 0xaa);
      assert.deepEqual(served.problems, []);
    });
  }

  test(`a front-end that disables every ring and resets the owner sets them up again (${nameOf(shape)})`, async (t) => {
    const { client, queue, offer, begun, release, completed, bytes, served } = await flushing(
      t,
      shape,
    );
    const { requests } = client;
    const disabling = requests.setVringEnable(0, false);
    release();
    await disabling;
    await until(() => completed() === 1, "the completion");
    await requests.resetOwner();
    const [session] = served.server.sessions;
    assert.equal(session?.vrings[0]?.started, false);
    const { features } = requests.negotiation;
    await requests.setFeatures(features ^ VirtioFeature.EventIdx);
    await requests.setFeatures(features);
    await requests.setVringNum(0, 4);
    queue.stop();
    await client.startQueue(queue);
    offer();
    await begun();
    release();
    await until(() => completed() === 2, "a request of the ring that was set up again");
    assert.equal(bytes[16], BlockStatus.Ok);
    assert.deepEqual(served.problems, []);
  });
}

test("with a ring enabled RESET_OWNER disables it, and it still counts as started", async (t) => {
  const { client, release, served } = await flushing(t, { packed: false, workers: false });
  const { requests } = client;
  const resetting = requests.resetOwner();
  release();
  await resetting;
  const [session] = served.server.sessions;
  assert.deepEqual([session?.vrings[0]?.started, session?.vrings[0]?.enabled], [true, false]);
  await assert.rejects(requests.setVringNum(0, 4), /SET_VRING_NUM/);
  const { features } = requests.negotiation;
  await assert.rejects(requests.setFeatures(features ^ VirtioFeature.EventIdx), /SET_FEATURES/);
});
