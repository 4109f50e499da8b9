import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createChainCursor, SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { type Rings, openRings, type RingOptions } from "../../support/rings.ts";

guardLeaks();

const SIZE = 8;
const FORMS = [false, true].flatMap((packed) =>
  [false, true].map((inOrder) => ({
    packed,
    inOrder,
    name: `${packed ? "packed" : "split"}${inOrder ? ", in order" : ""}`,
  })),
);

function withRings(options: RingOptions, use: (rings: Rings) => void): void {
  const rings = openRings({ size: SIZE, ...options });
  try {
    use(rings);
  } finally {
    rings.table.close();
    rings.memory.close();
  }
}

/** A chain of `count` readable segments; the number of segments identifies the chain. */
function chainOf(address: number, count: number): SegmentList {
  const segments = new SegmentList(count);
  for (let i = 0; i < count; i += 1) segments.push(address, 1);
  return segments;
}

const steps = fc.array(
  fc.record({
    /** Chains that are added, by their segments. */
    adds: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 5 }),
    shows: fc.integer({ min: 0, max: SIZE + 1 }),
    serves: fc.integer({ min: 0, max: SIZE }),
  }),
  { maxLength: 60 },
);

for (const { packed, inOrder, name } of FORMS) {
  for (const indirect of [false, true]) {
    test(`of what is laid out ahead the device sees what is shown, in its order (${name}${indirect ? ", indirect" : ""})`, () => {
      fc.assert(
        fc.property(steps, (all) => {
          withRings({ packed, inOrder, indirect }, ({ memory, driver, device }) => {
            const { address } = memory.allocate(8);
            const cursor = createChainCursor();
            const ahead: number[] = [];
            const shown: number[] = [];
            let out = 0;
            for (const { adds, shows, serves } of all) {
              for (const count of adds)
                if (driver.add(chainOf(address, count), count, 1)) ahead.push(count);
              driver.publish(shows);
              shown.push(...ahead.splice(0, shows));
              for (let i = 0; i < serves && shown.length > 0; i += 1) {
                assert.ok(device.next(cursor));
                assert.equal(cursor.readableBytes, shown.shift());
                device.complete(cursor.id, 0);
                out += 1;
              }
              if (shown.length === 0) assert.equal(device.next(cursor), false);
              device.publish();
              assert.equal(driver.published, shown.length + out);
              assert.equal(driver.pendingCompletions() > 0, out > 0);
              assert.equal(
                driver.poll(() => undefined, SIZE),
                out,
              );
              out = 0;
              assert.equal(driver.outstanding, shown.length + ahead.length);
            }
            assert.deepEqual([driver.broken, device.broken], [undefined, undefined]);
          });
        }),
        { numRuns: 150 },
      );
    });
  }

  test(`a device that completes an unpublished chain breaks the ring (${name})`, () => {
    withRings({ packed, inOrder }, ({ memory, driver }) => {
      const segments = chainOf(memory.allocate(8).address, 1);
      for (let token = 0; token < 3; token += 1) driver.add(segments, 1, token);
      driver.publish(1);
      // Second and third chain have what the first has not: the index or id 1.
      const { raw } = driver;
      if (raw.format === "packed") {
        raw.descriptors[3] = 1 | (0x8080 << 16);
      } else {
        raw.used32[1] = 1;
        raw.used16[1] = 1;
      }
      const done: number[] = [];
      driver.poll((token) => done.push(token), SIZE);
      assert.deepEqual(done, []);
      assert.match(driver.broken?.reason ?? "", /got 1$/);
    });
  });

  test(`a device cannot have stopped behind what it was shown (${name})`, () => {
    withRings({ packed, inOrder }, ({ memory, driver }) => {
      const segments = chainOf(memory.allocate(8).address, 1);
      for (let token = 0; token < 3; token += 1) driver.add(segments, 1, token);
      driver.publish(2);
      const first = driver.base;
      const possible = [0, 1, 2, 3].map((ahead) => driver.isPossibleBase(first + ahead));
      assert.deepEqual(possible, [true, true, true, false]);
    });
  });
}

test("nothing is shown that was not added, however often it is asked for", () => {
  for (const { packed, inOrder } of FORMS) {
    withRings({ packed, inOrder }, ({ memory, driver, device }) => {
      driver.add(chainOf(memory.allocate(8).address, 1), 1, 0);
      assert.deepEqual(
        [driver.publish(0), driver.publish(-1), device.hasNext(), driver.published],
        [false, false, false, 0],
      );
      assert.deepEqual([driver.publish(5), device.hasNext(), driver.published], [true, true, 1]);
      assert.equal(driver.publish(5), false);
      assert.equal(driver.published, 1);
    });
  }
});
