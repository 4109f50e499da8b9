import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { RemoteError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client, type ClientOptions } from "../../../../src/endpoints/frontend/index.ts";
import {
  BackendRequest,
  FrontendRequest,
  type Iotlb,
  IotlbPermission,
  IotlbType,
} from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { DISK_BYTES, serveDisk, type Served } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const END = 2n ** 64n;
const PAGE = 4096;

async function serveBehindIommu(t: TestContext): Promise<Served> {
  return serveDisk(t, (options) => ({ ...options, iommu: true }));
}

/** A client whose misses come here; `answerAs` answers one as its IOMMU would. */
async function connectWith(
  { path }: Served,
  onMiss: (miss: Iotlb, answerAs: (miss: Iotlb) => Promise<void>) => Promise<void>,
  options: ClientOptions = {},
): Promise<Client> {
  const client: Client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    iommu: true,
    memory: { size: 1 << 20 },
    ...options,
    backendRequests: {
      [BackendRequest.IotlbMsg]: async (miss) =>
        onMiss(miss, async (each) =>
          client.iommu?.answer(each, async (update) => client.requests.iotlbMsg(update)),
        ),
    },
  });
  return client;
}

/** All of the client's I/O virtual addresses; rings are in the first pages. */
function addressesOf({ memory }: Client): { start: number; size: number } {
  const [region] = memory.regions;
  assert.ok(region);
  const { address, guestAddress } = memory.allocate(16);
  return { start: address - (guestAddress - region.start), size: region.end - region.start };
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`a ring whose translations never come can be stopped, and kicks ask for nothing more (${format})`, async (t) => {
    const served = await serveBehindIommu(t);
    const asked: Iotlb[] = [];
    const never = new Promise<void>(() => undefined);
    const client = await connectWith(
      served,
      (miss) => {
        asked.push(miss);
        return never;
      },
      { packed },
    );
    t.after(() => client.close());
    const driver = await BlockDriver.start(client, { depth: 4, queueSize: 16 });
    await until(() => asked.length > 0, "a miss");
    const reading = driver.read(0, 512);
    reading.catch(() => undefined);
    for (let i = 0; i < 200; i += 1) await client.requests.getFeatures();
    // One is being answered for ever; the channel brings no second one before.
    assert.equal(asked.length, 1);
    assert.ok(asked.every(({ type }) => type === IotlbType.Miss));
    await client.close();
    await assert.rejects(reading);
    await until(() => served.server.sessions.size === 0, "the session to end");
  });

  test(`a chain whose buffer is not translated waits, alone, and goes on with the update (${format})`, async (t) => {
    const served = await serveBehindIommu(t);
    const held: Iotlb[] = [];
    let hold = false;
    const client = await connectWith(
      served,
      async (miss, answerAs) => {
        if (hold) held.push(miss);
        else await answerAs(miss);
      },
      { packed },
    );
    t.after(() => client.close());
    const driver = await BlockDriver.start(client, { depth: 4, queueSize: 16 });
    await driver.read(0, 512);
    const { start, size } = addressesOf(client);
    hold = true;
    await client.iommu?.invalidate(start + 2 * PAGE, size - 2 * PAGE);
    const data = randomBytes(4096);
    let done = false;
    const writing = driver.write(0, data).then(() => (done = true));
    await until(() => held.length > 0, "a miss of a buffer");
    for (let i = 0; i < 100; i += 1) await client.requests.getFeatures();
    assert.equal(done, false);
    // A kick that was in flight may ask once more for what was acknowledged without an update.
    assert.ok(held.length <= 3, `${held.length} misses`);
    hold = false;
    for (const miss of held.splice(0)) {
      await client.iommu?.answer(miss, async (update) => client.requests.iotlbMsg(update));
    }
    await writing;
    assert.ok(data.equals(await driver.read(0, 4096)));
  });
}

test("what the front-end acknowledges without an update is asked for again, at leisure", async (t) => {
  const served = await serveBehindIommu(t);
  let asked = 0;
  const client = await connectWith(served, async (miss, answerAs) => {
    asked += 1;
    if (asked > 6) await answerAs(miss);
    else throw new Error("not yet");
  });
  t.after(() => client.close());
  const driver = await BlockDriver.start(client, { depth: 4, queueSize: 16 });
  const started = performance.now();
  await driver.read(0, 512);
  // Three areas of the ring a second; else it would have been asked in no time.
  assert.ok(performance.now() - started > 900);
  assert.ok(served.problems.some(({ message }) => /no translation of IOVA/.test(message)));
});

test("a page that may only be read is not written; once it may be, the request is served", async (t) => {
  const served = await serveBehindIommu(t);
  const client = await Client.connect(served.path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    iommu: true,
    memory: { size: 1 << 20 },
  });
  t.after(() => client.close());
  const driver = await BlockDriver.start(client, { depth: 1, queueSize: 16, transferBytes: 8192 });
  const data = randomBytes(8192);
  await driver.write(0, data);
  const { iommu } = client;
  assert.ok(iommu);
  const { start, size } = addressesOf(client);
  await iommu.protect(start, size, IotlbPermission.Read);
  let done = false;
  const reading = driver.read(0, 8192).then((bytes) => {
    done = true;
    return bytes;
  });
  await until(() => iommu.counters.refused > 0, "a refusal");
  assert.equal(done, false);
  await iommu.protect(start, size, IotlbPermission.ReadWrite);
  assert.ok(data.equals(await reading));
});

test("updates and invalidations that make no sense are refused; the session goes on", async (t) => {
  const served = await serveBehindIommu(t);
  const client = await Client.connect(served.path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    iommu: true,
  });
  t.after(() => client.close());
  const driver = await BlockDriver.start(client);
  const good = { iova: 0x1000n, size: 4096n, permissions: 3, type: IotlbType.Update };
  const userAddress = client.memory.regions[0]?.description.userAddress ?? 0n;
  const refused: Iotlb[] = [
    ...[0, 1, 4, 5, 200].map((type) => ({ ...good, userAddress, type })),
    { ...good, userAddress, size: 0n },
    { ...good, userAddress, size: END - 1n },
    { ...good, userAddress, iova: END - 4096n, size: 8192n },
    { ...good, userAddress: userAddress - 1n },
    { ...good, userAddress: END - 1n },
    { ...good, userAddress, permissions: 0 },
    { ...good, userAddress, permissions: 255 },
  ];
  const call = { unchecked: true };
  for (const message of refused) {
    await assert.rejects(
      client.requests.call(FrontendRequest.IotlbMsg, message, call),
      RemoteError,
      `${message.iova} ${message.size} ${message.type}`,
    );
  }
  const taken: Iotlb[] = [
    { ...good, userAddress, iova: 0x1001n, size: 1n },
    { ...good, userAddress: userAddress + 1n, iova: 0x1000n, size: 8192n },
    { ...good, userAddress: 0n, type: IotlbType.Invalidate, iova: END - 1n, size: END - 1n },
    { ...good, userAddress: 0n, type: IotlbType.Invalidate, iova: 5n, size: 0n },
    { ...good, userAddress: 0n, type: IotlbType.Invalidate, iova: 0n, size: END - 1n },
  ];
  for (const message of taken) await client.requests.call(FrontendRequest.IotlbMsg, message);
  const data = randomBytes(DISK_BYTES);
  await driver.write(0, data);
  assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
  assert.equal(served.problems.length, refused.length);
});

test("a front-end without an IOMMU cannot fill the table", async (t) => {
  const served = await serveBehindIommu(t);
  const client = await Client.connect(served.path, { deviceFeatures: BLOCK_DRIVER_FEATURES });
  t.after(() => client.close());
  const message = { iova: 0n, size: 4096n, userAddress: 0n, permissions: 3, type: 2 };
  await assert.rejects(
    client.requests.call(FrontendRequest.IotlbMsg, message, { unchecked: true }),
    RemoteError,
  );
  assert.match(served.problems[0]?.message ?? "", /needs VIRTIO_F_ACCESS_PLATFORM/);
});

test("a front-end that keeps translating to read-only pages breaks its own ring only", async (t) => {
  const served = await serveBehindIommu(t);
  let asked = 0;
  const client = await connectWith(served, async ({ iova }) => {
    asked += 1;
    const place = client.memory.atIova(iova);
    assert.ok(place);
    const first = (iova / 4096n) * 4096n;
    await client.requests.iotlbMsg({
      iova: first,
      size: 4096n,
      userAddress: place.region.description.userAddress + first - place.iova,
      permissions: IotlbPermission.Read,
      type: IotlbType.Update,
    });
  });
  t.after(() => client.close());
  const driver = await BlockDriver.start(client, { depth: 4, queueSize: 16 });
  driver.read(0, 512).catch(() => undefined);
  await until(() => served.problems.length > 0, "the ring to break");
  assert.match(
    served.problems[0]?.message ?? "",
    /ring 0 is broken: .*may not be written: the front-end does not allow it/,
  );
  for (let i = 0; i < 50; i += 1) await client.requests.getFeatures();
  assert.ok(asked < 20, `${asked} misses`);
});
