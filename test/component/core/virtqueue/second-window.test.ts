/** Rings and data that are not in the first GiB of a region, where views have an offset. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { GuestMemory } from "../../../../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  ringFormat,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { completions, fillWritable, readableBytes } from "../../support/chain-bytes.ts";
import { GIB } from "../../support/memory.ts";
import { FORMATS, locateRing, segmentsOf, tableOf } from "../../support/rings.ts";

guardLeaks();

/** Bytes of all parts of a ring, and more. */
const PROBE = 4096;

/** A ring behind the first `before` bytes of a memory of 6 GiB. */
function makeRings(t: TestContext, packed: boolean, before: number) {
  const size = 8;
  const memory = new GuestMemory({ size: 6 * GIB });
  t.after(() => memory.close());
  for (let left = before; left > 0; left -= GIB) memory.allocate(GIB);
  // The border itself is for data.
  memory.allocate(PROBE);
  const table = tableOf(memory);
  t.after(() => table.close());
  const features = { packed, eventIdx: true, indirect: false };
  const driver = createDriverQueue({ size, memory, features });
  const device = createDeviceQueue({
    size,
    memory: locateRing(table, driver),
    space: table,
    features,
    base: ringFormat(packed).freshBase,
  });
  return { memory, driver, device };
}

for (const { name, packed } of FORMATS) {
  for (const gib of [1, 4, 5]) {
    test(`a ${name} ring in window ${gib} carries data across the borders of windows`, (t) => {
      const { memory, driver, device } = makeRings(t, packed, gib * GIB);
      const [region] = memory.regions;
      assert.ok(region);
      const chain = createChainCursor();
      for (const border of [GIB, 4 * GIB, 5 * GIB]) {
        const across = region.view(border - 2, 4);
        across.window.bytes.set([1, 2, 3, 4], across.offset);
        const segments = segmentsOf(
          [region.start + border - 2, 4],
          [region.start + border - 30, 40],
        );
        assert.equal(driver.add(segments, 1, 7), true);
        driver.publish();
        assert.equal(device.next(chain), true);
        assert.deepEqual(readableBytes(chain), [1, 2, 3, 4]);
        device.complete(chain.id, fillWritable(chain));
        device.publish();
        assert.deepEqual(completions(driver), [[7, 40]]);
        const { window, offset } = region.view(border - 30, 40);
        assert.deepEqual(
          [...window.bytes.subarray(offset, offset + 40)],
          Array.from({ length: 40 }, (_, i) => i + 1),
        );
      }
      // A ring that lost its window's offset would be in the first window of a buffer.
      for (const at of [0, 4 * GIB].filter((each) => each !== gib * GIB)) {
        const { window, offset } = region.view(at + PROBE, PROBE);
        const wrong = window.bytes.subarray(offset, offset + PROBE);
        assert.ok(wrong.every((byte) => byte === 0));
      }
    });
  }
}
