/** Clients whose rings and buffers are beyond the first GiB of a large memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GuestMemory, type Region } from "../../../../src/core/memory/index.ts";
import { addon } from "../../../../src/core/os/index.ts";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { MemoryCopy } from "../../../../src/endpoints/frontend/migration/memory-copy.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { GIB } from "../../support/memory.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";

guardLeaks();

const TIB = 2 ** 40;

for (const workers of [false, true]) {
  for (const packed of [false, true]) {
    const name = `${packed ? "packed" : "split"} rings, ${workers ? "in workers" : "on the loop"}`;
    test(`a memory of 1 TiB is one mapping on each side: ${name}`, async (t) => {
      const served = await serveDisk(t, (options) => ({ ...options, rings: { workers } }), 2);
      const before = takeResources().mappings.length;
      const buffers = t.mock.method(addon(), "mappingBuffer");
      const client = await connectDisk(t, served, { packed, memory: { size: TIB } });
      client.memory.allocate(GIB);
      const driver = await BlockDriver.start(client, SMALL);
      await driver.write(8192, pattern(1));
      assert.deepEqual(await driver.read(8192, 4096), pattern(1));
      const mappings = takeResources().mappings.length - before;
      assert.equal(mappings, workers ? 3 : 2, "client, back-end, and the worker");
      // Each counts as memory of V8, which collects all garbage for one: never one for each GiB.
      assert.ok(buffers.mock.callCount() <= 4, `${buffers.mock.callCount()} buffers`);
      assert.deepEqual(served.problems, []);
    });
  }
}

test("a migration compares the pages of every window with their copy", (t) => {
  const memory = new GuestMemory({ size: 2 * GIB });
  t.after(() => memory.close());
  memory.allocate(GIB);
  const buffer = memory.allocate(4096, 4096);
  buffer.bytes.fill(5);
  // To compare all of it would take seconds.
  const secondWindow = (region: Region) => ({
    start: region.start + GIB,
    end: region.start + GIB + (1 << 20),
    view: (offset: number, length: number) => region.view(GIB + offset, length),
    close: () => region.close(),
  });
  const copy = new MemoryCopy({
    regions: memory.regions.map(secondWindow),
    twins: () => memory.twins().map(secondWindow),
  } as unknown as GuestMemory);
  t.after(() => copy.close());
  const page = buffer.guestAddress / 4096;
  assert.deepEqual(copy.differing(), [page]);
  assert.equal(copy.copyPages([page]), 1);
  assert.deepEqual(copy.differing(), []);
});
