import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockRequest } from "../../../../src/endpoints/devices/block/index.ts";
import { PageLog } from "../../../../src/endpoints/frontend/migration/page-log.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { LoggedDisk, pageOf, RING_LOG_ADDRESS } from "../../support/logged-disk.ts";
import { turns } from "../../../support/until.ts";

guardLeaks();

const ascending = (a: number, b: number): number => a - b;

/** The pages of the ring: what the device writes there in the course of a request. */
function ringPages({ queue }: LoggedDisk): number[] {
  const { descriptors, device } = queue.ring.parts;
  if (queue.ring.raw.format === "split") return [RING_LOG_ADDRESS / 4096];
  return [...new Set([pageOf(descriptors), pageOf(device)])];
}

for (const workers of [false, true]) {
  for (const packed of [false, true]) {
    const where = `${packed ? "packed" : "split"} ring ${workers ? "in a worker" : "on the loop"}`;
    const start = (t: Parameters<typeof LoggedDisk.start>[0]): Promise<LoggedDisk> =>
      LoggedDisk.start(t, { workers }, packed);

    test(`exactly the written pages are marked: ${where}`, async (t) => {
      const disk = await start(t);
      const { head, data, tail } = disk;
      await disk.setLogBase();
      await disk.setLogAll(true);
      await disk.setRingLog(true);
      await disk.request(BlockRequest.Flush, 0);
      disk.marked();
      const ring = ringPages(disk);
      const expectMarked = (...pages: number[]): void =>
        assert.deepEqual(disk.marked(), [...ring, ...pages].sort(ascending));

      const cases: [[number, number][], number[]][] = [
        [[[0, 512]], [0]],
        [[[4096, 4096]], [1]],
        [[[4096 - 256, 512]], [0, 1]],
        [
          [
            [0x1000, 1024],
            [0x3f00, 0x2200],
          ],
          [1, 3, 4, 5, 6],
        ],
      ];
      for (const [into, pages] of cases) {
        assert.equal(await disk.request(BlockRequest.In, 0, ...into), 0);
        expectMarked(...pages.map((page) => pageOf(data, page)), pageOf(tail));
      }
      // Twenty of thirty bytes are written, so not the second page; and a header is only read.
      await disk.request(BlockRequest.GetId, 0, [4096 - 20, 30]);
      expectMarked(pageOf(data), pageOf(tail));
      assert.notEqual(await disk.request(BlockRequest.In, 2 ** 40, [0, 512]), 0);
      expectMarked(pageOf(tail));
      await disk.request(BlockRequest.Flush, 0);
      expectMarked(pageOf(tail));
      assert.ok(!ring.includes(pageOf(head)));
      assert.deepEqual(disk.served.problems, []);
    });

    test(`each switch governs what it is for, while the ring runs: ${where}`, async (t) => {
      const disk = await start(t);
      const pages = [pageOf(disk.data), pageOf(disk.tail)];
      const expectMarked = async (expected: readonly number[]): Promise<void> => {
        assert.equal(await disk.request(BlockRequest.In, 0, [0, 512]), 0);
        // The ring asks for kicks again after it has shown the completion.
        await turns(20);
        assert.deepEqual(disk.marked(), expected.toSorted(ascending));
      };
      await disk.setLogAll(true);
      await disk.setRingLog(true);
      await expectMarked([]);
      await disk.setLogBase();
      await expectMarked([...ringPages(disk), ...pages]);
      await disk.setLogAll(false);
      await expectMarked(ringPages(disk));
      await disk.setRingLog(false);
      disk.marked();
      await expectMarked([]);
      await disk.setLogAll(true);
      await expectMarked(pages);
      await disk.setLogAll(false);
      await expectMarked([]);
    });

    test(`a larger log takes over while requests pass: ${where}`, async (t) => {
      const disk = await start(t);
      await disk.setLogBase();
      await disk.setLogAll(true);
      await disk.request(BlockRequest.In, 0, [0, 512]);
      const before = new Set(disk.marked());
      const larger = new PageLog(2 ** 34);
      t.after(() => larger.close());
      await disk.client.requests.setLogBase(larger.description, larger.fd);
      await disk.request(BlockRequest.In, 0, [0, 512]);
      assert.deepEqual(disk.marked(), []);
      const after = new Set<number>();
      larger.take((page) => after.add(page));
      assert.deepEqual(after, before);
    });
  }
}

for (const packed of [false, true]) {
  test(`behind an IOMMU pages are marked by guest address: ${packed ? "packed" : "split"}`, async (t) => {
    const disk = await LoggedDisk.start(t, {}, packed, true);
    const { data, tail, queue } = disk;
    assert.notEqual(data.address, data.guestAddress);
    await disk.setLogBase();
    await disk.setLogAll(true);
    await disk.setRingLog(true);
    assert.equal(await disk.request(BlockRequest.In, 0, [0x1800, 4096]), 0);
    await turns(20);
    const { descriptors, device } = queue.ring.parts;
    const ring = packed ? [pageOf(descriptors), pageOf(device)] : [pageOf(device)];
    const expected = new Set([...ring, pageOf(data, 1), pageOf(data, 2), pageOf(tail)]);
    assert.deepEqual(disk.marked(), [...expected].sort(ascending));
  });
}

test("nothing is marked after a ring has stopped", async (t) => {
  const disk = await LoggedDisk.start(t, {}, false);
  await disk.setLogBase();
  await disk.setLogAll(true);
  await disk.setRingLog(true);
  await disk.request(BlockRequest.In, 0, [0, 512]);
  await disk.client.stopQueue(disk.queue);
  disk.marked();
  disk.queue.kick.signal();
  await turns(100);
  assert.deepEqual(disk.marked(), []);
});
