import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice, MAX_BLOCK_QUEUES } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { connectDisk, provesWell, serveDisk } from "../../support/session.ts";

guardLeaks();

test("a block device offers a queue for every ring index, and a session makes those that are named", async (t) => {
  const storage = BlockStorage.memory(1 << 20);
  t.after(() => storage.close());
  const served = await serveDisk(t, (options) => ({
    ...options,
    device: () => new BlockDevice({ storage }),
  }));
  const client = await connectDisk(t, served);
  const [session] = served.server.sessions;
  assert.equal(await client.requests.getQueueNum(), 256n);
  assert.equal(session?.vrings.length, 0);
  await client.requests.setVringNum(3, 128);
  assert.deepEqual(
    session?.vrings.map(({ index }) => index),
    [0, 1, 2, 3],
  );
  await client.requests.setVringNum(255, 128);
  assert.equal(session?.vrings.length, MAX_BLOCK_QUEUES);
  await provesWell(served);
});

test("256 queues of which one is used hold the descriptors and mappings of one", async (t) => {
  const held = async (queues: number): Promise<{ descriptors: number; mappings: number }> => {
    const served = await serveDisk(t, undefined, queues);
    await provesWell(served);
    const before = takeResources();
    const client = await connectDisk(t, served);
    await client.requests.setVringNum(0, 128);
    const now = takeResources();
    const descriptors = now.descriptors.size - before.descriptors.size;
    const mappings = now.mappings.length - before.mappings.length;
    await client.close();
    return { descriptors, mappings };
  };
  assert.deepEqual(await held(256), await held(1));
});

test("SET_FEATURES without PROTOCOL_FEATURES enables rings that are named later, RESET_OWNER disables them", async (t) => {
  const served = await serveDisk(t, undefined, 4);
  const client = await connectDisk(t, served);
  const [session] = served.server.sessions;
  const { requests } = client;
  await requests.call(FrontendRequest.SetFeatures, VirtioFeature.Version1);
  await requests.setVringNum(1, 128);
  assert.deepEqual(
    session?.vrings.map(({ enabled }) => enabled),
    [true, true],
  );
  await requests.resetOwner();
  await requests.setVringNum(3, 128);
  assert.deepEqual(
    session?.vrings.map(({ enabled }) => enabled),
    [false, false, false, false],
  );
});
