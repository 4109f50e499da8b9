import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { GuestMemory } from "../../../../src/core/memory/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { SharingWatch } from "../../../../src/endpoints/backend/unshared-memory.ts";
import { VringSetup } from "../../../../src/endpoints/backend/vring-setup.ts";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { tableOf } from "../../support/rings.ts";
import { connectDisk, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** What the back-end reports when a ring without chains is kicked. */
async function reported(t: TestContext, workers: boolean, byte: number): Promise<string[]> {
  const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }));
  const client = await connectDisk(t, served, { memory: { size: 16 << 20 } });
  const handler = { done: () => undefined, failed: () => undefined };
  const queue = client.createQueue({ index: 0, size: 16, ringMode: "event", handler });
  client.memory.allocate(16).bytes[0] = byte;
  await client.startQueue(queue);
  const { fd } = queue.kick.descriptor;
  const count = (): string => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  for (let kick = 0; kick < 3; kick += 1) {
    queue.kick.signal();
    await until(() => /^eventfd-count:\s+0$/m.test(count()), "the kick to be taken");
  }
  await client.requests.getFeatures();
  if (byte === 0) await until(() => served.problems.length > 0, "the report");
  return served.problems.map(({ message }) => message);
}

for (const workers of [false, true]) {
  const where = workers ? "in a worker" : "on the event loop";
  test(`a kicked ring in memory of zeroes is reported once, ${where}`, async (t) => {
    assert.deepEqual(await reported(t, workers, 0), [
      "ring 0 was kicked, but it and the beginning of its memory region hold only zeroes: what the " +
        "driver writes does not arrive here; is share=on missing at the memory backend?",
    ]);
  });

  test(`a kick too many of a ring in memory that is used is not reported, ${where}`, async (t) => {
    assert.deepEqual(await reported(t, workers, 1), []);
  });
}

/** A watch of one blank ring of 16 entries at the beginning of 16 MiB of memory. */
function watchBlankRing(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const memory = new GuestMemory({ size: 16 << 20 });
  const table = tableOf(memory);
  const ring = new VringSetup(0, {
    device: { maxQueueSize: 16 },
    memory: table,
    iotlb: () => undefined,
    features: () => VirtioFeature.Version1,
    inflight: () => undefined,
    onProblem: (problem) => assert.fail(problem),
  });
  const [region] = memory.regions;
  assert.ok(region);
  const start = region.description.userAddress;
  ring.setSize(16);
  const [descriptor, available, used] = [start, start + 256n, start + 512n];
  ring.setAddress({ index: 0, flags: 0, descriptor, available, used, log: 0n }, true);
  const problems: Error[] = [];
  const watch = new SharingWatch(table, (problem) => problems.push(problem));
  t.after(() => {
    watch.close();
    table.close();
    memory.close();
  });
  return { memory, table, ring, watch, problems };
}

test("a kick of a blank ring whose first request follows is not reported", (t) => {
  const { memory, ring, watch, problems } = watchBlankRing(t);
  watch.onIdleKick(0, ring);
  memory.allocate(16).bytes[0] = 1;
  t.mock.timers.tick(10_000);
  assert.deepEqual(problems, []);
});

test("a ring that stays blank after its kick is reported", (t) => {
  const { ring, watch, problems } = watchBlankRing(t);
  watch.onIdleKick(0, ring);
  assert.deepEqual(problems, []);
  t.mock.timers.tick(10_000);
  assert.equal(problems.length, 1);
});

test("a ring whose memory was removed after its kick is not reported", (t) => {
  const { table, ring, watch, problems } = watchBlankRing(t);
  watch.onIdleKick(0, ring);
  table.replace([]);
  t.mock.timers.tick(10_000);
  assert.deepEqual(problems, []);
});

test("a session that ends after the kick reports nothing", (t) => {
  const { ring, watch, problems } = watchBlankRing(t);
  watch.onIdleKick(0, ring);
  watch.close();
  t.mock.timers.tick(10_000);
  assert.deepEqual(problems, []);
});

test("the first requests of a driver do not cause a report", async (t) => {
  const served = await serveDisk(t);
  const driver = await BlockDriver.start(await connectDisk(t, served), SMALL);
  for (let i = 0; i < 10; i += 1) await driver.read(0, 4096);
  assert.deepEqual(served.problems, []);
});
