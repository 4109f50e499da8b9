import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { connectDisk, serveDisk, SMALL, until } from "../../support/session.ts";

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

test("the first requests of a driver do not cause a report", async (t) => {
  const served = await serveDisk(t);
  const driver = await BlockDriver.start(await connectDisk(t, served), SMALL);
  for (let i = 0; i < 10; i += 1) await driver.read(0, 4096);
  assert.deepEqual(served.problems, []);
});
