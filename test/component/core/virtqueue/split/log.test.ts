import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LOG_PAGE_SIZE,
  PageLog,
} from "../../../../../src/endpoints/frontend/migration/page-log.ts";
import {
  createChainCursor,
  RingLog,
  SplitDeviceQueue,
} from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { locateRing, makeSplitRings, segmentsOf } from "../../../support/rings.ts";

guardLeaks();

/** Not where the ring is: an address of its own, in the middle of a page. */
const LOGGED_AT = 0x40_0f00;
const SIZE = 1024;

test("of a used ring the written elements, the index and avail_event are marked, each where it is", (t) => {
  const { memory, table, driver } = makeSplitRings(t, { size: SIZE, eventIdx: true });
  const log = new PageLog(0x50_0000);
  t.after(() => log.close());
  table.log.replace(log.description, log.fd.duplicate());
  const ringLog = new RingLog(table.log);
  ringLog.setting = { on: true, address: LOGGED_AT };
  const features = { eventIdx: true, indirect: false };
  const device = new SplitDeviceQueue({
    size: SIZE,
    memory: locateRing(table, driver),
    space: table,
    features,
    base: 0,
    log: ringLog,
  });
  const marked = (): number[] => {
    const pages: number[] = [];
    log.take((page) => pages.push(page));
    return pages;
  };
  const pagesOf = (...ranges: [offset: number, length: number][]): number[] => {
    const pages = ranges.flatMap(([offset, length]) => [
      Math.floor((LOGGED_AT + offset) / LOG_PAGE_SIZE),
      Math.floor((LOGGED_AT + offset + length - 1) / LOG_PAGE_SIZE),
    ]);
    return [...new Set(pages)].sort((a, b) => a - b);
  };
  const { guestAddress } = memory.allocate(16);
  const chain = createChainCursor();
  const complete = (count: number): void => {
    for (let i = 0; i < count; i += 1) assert.ok(driver.add(segmentsOf([guestAddress, 16]), 1, i));
    driver.publish();
    for (let i = 0; i < count; i += 1) {
      assert.ok(device.next(chain));
      device.complete(chain.id, 0);
    }
    assert.deepEqual(marked(), [], "nothing is marked before it can be seen");
    device.publish();
    driver.poll(() => undefined, count);
  };
  complete(1);
  assert.deepEqual(marked(), pagesOf([2, 2], [4, 8]));
  complete(599);
  marked();
  complete(2);
  assert.deepEqual(marked(), pagesOf([2, 2], [4 + 8 * 600, 16]));
  complete(420);
  marked();
  // Across the end of the ring: its last elements and its first ones.
  complete(4);
  assert.deepEqual(marked(), pagesOf([2, 2], [4 + 8 * 1022, 16], [4, 16]));
  device.enableNotifications();
  assert.deepEqual(marked(), pagesOf([4 + 8 * SIZE, 2]));
  device.disableNotifications();
  assert.deepEqual(marked(), pagesOf([4 + 8 * SIZE, 2]));
});
