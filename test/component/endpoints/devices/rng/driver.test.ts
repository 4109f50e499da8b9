import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ProtocolError, TimeoutError, UsageError } from "../../../../../src/core/base/index.ts";
import { type Device, BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import {
  EntropyBudget,
  RngDevice,
  RngDriver,
} from "../../../../../src/endpoints/devices/rng/index.ts";
import { Client } from "../../../../../src/endpoints/frontend/index.ts";
import { createChainCursor } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

async function startDriver(t: TestContext, device: Device, packed: boolean): Promise<RngDriver> {
  const path = join(temporaryFolder(t), "rng.sock");
  const server = await BackendServer.listen(path, { device: () => device });
  const client = await Client.connect(path, { packed });
  t.after(async () => {
    await client.close();
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return RngDriver.start(client);
}

for (const packed of [false, true]) {
  const ring = packed ? "packed" : "split";
  test(`${ring}: reads of any length get different bytes`, async (t) => {
    const driver = await startDriver(t, new RngDevice(), packed);
    for (const length of [0, 1, 4096, 100_000])
      assert.equal((await driver.read(length)).length, length);
    assert.notDeepEqual(await driver.read(32), await driver.read(32));
  });

  test(`${ring}: reads at the same time get different bytes`, async (t) => {
    const driver = await startDriver(t, new RngDevice(), packed);
    const reads = await Promise.all(Array.from({ length: 20 }, async () => driver.read(5000)));
    assert.equal(new Set(reads.map((bytes) => Buffer.from(bytes).toString("hex"))).size, 20);
  });

  test(`${ring}: a read waits for the periods of a budget`, async (t) => {
    const budget = new EntropyBudget({ maxBytes: 10, periodMs: 1 });
    const driver = await startDriver(t, new RngDevice({ budget }), packed);
    const bytes = await driver.read(64);
    assert.ok(bytes.subarray(48).some((byte) => byte !== 0));
  });
}

test("a read that the budget does not allow in time fails, and says what it was", async (t) => {
  const budget = new EntropyBudget({ maxBytes: 16, periodMs: 2 ** 31 - 1 });
  const driver = await startDriver(t, new RngDevice({ budget }), false);
  await assert.rejects(driver.read(17, { timeoutMs: 100 }), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /^1 random bytes: not completed within 100 ms$/);
    return true;
  });
});

test("a device that delivers nothing breaks a rule", async (t) => {
  const silent: Device = {
    type: { name: "rng", features: [] },
    features: 0n,
    maxQueues: 1,
    maxQueueSize: 16,
    process({ queue }) {
      const chain = createChainCursor();
      while (queue.next(chain)) queue.complete(chain.id, 0);
    },
  };
  const driver = await startDriver(t, silent, false);
  await assert.rejects(driver.read(8), ProtocolError);
});

test("a length that is not a whole number is refused", async (t) => {
  const driver = await startDriver(t, new RngDevice(), false);
  for (const length of [-1, 1.5, Number.NaN, Infinity])
    await assert.rejects(driver.read(length), UsageError);
});
