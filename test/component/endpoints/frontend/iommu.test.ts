import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { NegotiationError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client, type ClientOptions } from "../../../../src/endpoints/frontend/index.ts";
import { ProtocolFeature, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import type { RingMode } from "../../../../src/core/runtime/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { DISK_BYTES, serveDisk } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const behindIommu: ClientOptions = { deviceFeatures: BLOCK_DRIVER_FEATURES, iommu: true };

const cases = [false, true].flatMap((packed) =>
  (["event", "poll", "hybrid"] as const).flatMap((ringMode: RingMode) =>
    [0n, ProtocolFeature.GpaAddresses].map((protocol) => ({ packed, ringMode, protocol })),
  ),
);

for (const { packed, ringMode, protocol } of cases) {
  const addresses = protocol === 0n ? "guest" : "user";
  const name = `${packed ? "packed" : "split"}, ${ringMode}, ${addresses} addresses in messages`;
  test(`behind an IOMMU what was written is read (${name})`, async (t) => {
    const served = await serveDisk(t, (options) => ({ ...options, iommu: true }), 2);
    await using client = await Client.connect(served.path, {
      ...behindIommu,
      packed,
      without: { protocol },
      memory: { size: 4 << 20, regions: 3 },
    });
    assert.ok((client.features & VirtioFeature.AccessPlatform) !== 0n);
    assert.equal((client.protocolFeatures & ProtocolFeature.GpaAddresses) === 0n, protocol !== 0n);
    const driver = await BlockDriver.start(client, {
      queues: 2,
      depth: 8,
      queueSize: 64,
      ringMode,
    });
    const data = randomBytes(DISK_BYTES);
    await driver.write(0, data);
    await driver.flush();
    assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
    const { misses = 0, refused, updates = 0 } = client.iommu?.counters ?? {};
    t.diagnostic(`${misses} misses, ${updates} updates`);
    // Each page of rings and buffers once: no more than there are in all, and none in vain.
    assert.ok(updates > 20 && updates <= misses && updates <= 2 * (4 << 8), `${updates}`);
    assert.equal(refused, 0);
    assert.deepEqual(served.problems, []);
  });
}

test("a back-end that offers no IOMMU is refused, with the remedy", async (t) => {
  const served = await serveDisk(t);
  await assert.rejects(Client.connect(served.path, behindIommu), (error) => {
    assert.ok(error instanceof NegotiationError);
    assert.match(error.message, /lacks what an IOMMU needs: VIRTIO_F_ACCESS_PLATFORM; .*--iommu/);
    return true;
  });
});

test("the memory table is replaced behind an IOMMU while requests run", async (t) => {
  const served = await serveDisk(t, (options) => ({ ...options, iommu: true }), 2);
  await using client = await Client.connect(served.path, {
    ...behindIommu,
    memory: { size: 4 << 20, regions: 2 },
  });
  const driver = await BlockDriver.start(client, { queues: 2, depth: 8, queueSize: 64 });
  const data = randomBytes(DISK_BYTES);
  let ended = false;
  let rounds = 0;
  const load = (async () => {
    while (!ended) {
      await driver.write(0, data);
      assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
      rounds += 1;
    }
  })();
  const { regions } = client.memory;
  const misses = client.iommu?.counters.misses ?? 0;
  for (let i = 0; i < 10; i += 1) {
    await client.requests.setMemTable(
      regions.map(({ description }) => description),
      regions.map(({ fd }) => fd),
    );
    const before = rounds;
    await until(() => rounds > before, "another round");
  }
  ended = true;
  await load;
  assert.ok((client.iommu?.counters.misses ?? 0) > misses + 20, "translations went with the table");
  assert.deepEqual(served.problems, []);
});

test("rings and buffers are translated again after all translations were withdrawn, under load", async (t) => {
  const served = await serveDisk(t, (options) => ({ ...options, iommu: true }), 2);
  await using client = await Client.connect(served.path, behindIommu);
  const driver = await BlockDriver.start(client, { queues: 2, depth: 16, queueSize: 64 });
  const data = randomBytes(DISK_BYTES);
  let rounds = 0;
  let ended = false;
  const load = (async () => {
    while (!ended) {
      await driver.write(0, data);
      assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
      rounds += 1;
    }
  })();
  for (let i = 0; i < 40; i += 1) {
    await client.iommu?.invalidate(0, 0);
    const before = rounds;
    if (i % 8 === 0) await until(() => rounds > before, "another round");
  }
  ended = true;
  await load;
  t.diagnostic(JSON.stringify(client.iommu?.counters));
  assert.deepEqual(served.problems, []);
});

for (const packed of [false, true]) {
  test(`a client behind an IOMMU reconnects, and its requests are served by the next session (${packed ? "packed" : "split"})`, async (t) => {
    const served = await serveDisk(t, (options) => ({ ...options, iommu: true }));
    await using client = await Client.connect(served.path, {
      ...behindIommu,
      packed,
      reconnect: {},
    });
    const driver = await BlockDriver.start(client, { depth: 8, queueSize: 64 });
    const data = randomBytes(DISK_BYTES);
    for (let round = 1; round <= 3; round += 1) {
      const writing = driver.write(0, data);
      for (const session of served.server.sessions) session.close();
      await writing;
      await until(() => client.reconnects === round, "the next session");
      assert.ok(data.equals(await driver.read(0, DISK_BYTES)));
    }
    assert.equal(client.iommu?.counters.refused, 0);
  });
}
