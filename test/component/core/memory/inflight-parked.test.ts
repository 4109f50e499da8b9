import assert from "node:assert/strict";
import { test } from "node:test";
import { type AddressSpace, InflightRegion, Resolved } from "../../../../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  ringFormat,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { locateRing, openRings, segmentsOf } from "../../support/rings.ts";

guardLeaks();

const SIZE = 8;

for (const packed of [false, true]) {
  test(`a chain that waits for a translation is not tracked as in flight: ${packed ? "packed" : "split"}`, (t) => {
    const rings = openRings({ size: SIZE, packed });
    const { description, fd } = InflightRegion.create(1, SIZE, packed);
    const region = new InflightRegion(description, fd, packed);
    t.after(() => {
      rings.table.close();
      rings.memory.close();
      region.close();
    });
    const { table, driver, memory } = rings;
    // Of each chain the first buffer is known, the second one only when that is set.
    const buffer = memory.allocate(128);
    let known = true;
    const space: AddressSpace = {
      resolve: (low, high, length, write, out) =>
        write && !known ? Resolved.Miss : table.resolve(low, high, length, write, out),
      generation: 0,
      broken: false,
    };
    const start = () =>
      createDeviceQueue({
        size: SIZE,
        memory: locateRing(table, driver),
        space,
        features: { eventIdx: false, indirect: false, packed },
        base: ringFormat(packed).freshBase,
        inflight: region.area(0, packed),
      });
    const submit = (token: number): void => {
      const { guestAddress } = buffer;
      assert.ok(driver.add(segmentsOf([guestAddress, 8], [guestAddress + 64, 8]), 1, token));
      driver.publish();
    };
    const device = start();
    const chain = createChainCursor();
    // More often than there are entries to take.
    for (let token = 0; token < 5 * SIZE; token += 1) {
      submit(token);
      known = false;
      for (let look = 0; look < 3; look += 1) {
        assert.equal(device.next(chain), false);
        assert.deepEqual([device.parked, device.inFlight, device.broken], [true, 0, undefined]);
      }
      known = true;
      assert.equal(device.next(chain), true);
      assert.equal(device.parked, false);
      device.complete(chain.id, 8);
      device.publish();
      assert.equal(
        driver.poll(() => undefined, SIZE),
        1,
      );
    }
    // One chain is in flight, one waits: after a crash the first is replayed, then the second follows.
    submit(1);
    assert.equal(device.next(chain), true);
    submit(2);
    known = false;
    assert.equal(device.next(chain), false);
    known = true;
    const next = start();
    for (let i = 0; i < 2; i += 1) assert.equal(next.next(chain), true);
    assert.equal(next.next(chain), false);
    assert.deepEqual([next.inFlight, next.broken], [2, undefined]);
  });
}
