import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BlockStatus } from "../../src/devices/block/index.ts";
import { createRingDriver } from "../../src/load/bench/block-load.ts";
import { GuestMemory } from "../../src/memory/index.ts";
import type { RingDriver } from "../../src/runtime/index.ts";
import { createDriverQueue } from "../../src/virtqueue/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const BLOCK = 4096;
const DEPTH = 8;

interface Played {
  readonly load: RingDriver;
  /** What the load showed, was told and was given, in the order of it. */
  readonly events: string[];
  /** The device takes what is there; the sectors that were asked for. */
  take(this: void): number[];
  /** It is done with everything, the newest first, and the load is given it. */
  complete(this: void): void;
}

/** A sequential load on a ring whose other side is this test. */
function play(t: TestContext, size: number): Played {
  const memory = new GuestMemory({ size: 1 << 20 });
  t.after(() => memory.close());
  const features = { eventIdx: false, indirect: false };
  const queue = createDriverQueue({ size, memory, features });
  const events: string[] = [];
  const show = (most?: number): void => {
    const before = queue.shown;
    queue.publish(most);
    if (queue.shown > before) events.push(`show ${queue.shown - before}`);
  };
  const load = createRingDriver(
    { queue, memory, features: 0n, show },
    {
      workload: "read",
      blockBytes: BLOCK,
      depth: DEPTH,
      start: 0,
      length: 1 << 30,
      seed: 1,
      verify: false,
      warmUpMs: 0,
      durationMs: undefined,
      requests: undefined,
      rate: undefined,
      progress: new SharedArrayBuffer(4),
    },
  );
  const { descriptors, driver, device } = queue.parts;
  const [table, available, used] = [descriptors, driver, device].map(
    ({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  );
  assert.ok(table && available && used);
  let taken = 0;
  const heads: number[] = [];
  return {
    load,
    events,
    take() {
      const sectors: number[] = [];
      for (; taken !== available.getUint16(2, true); taken += 1) {
        const head = available.getUint16(4 + 2 * (taken % size), true);
        const at = Number(table.getBigUint64(head * 16, true)) - descriptors.guestAddress;
        // Headers lie behind the rings, in the same mapping.
        const header = new DataView(table.buffer, table.byteOffset + at, 17);
        sectors.push(Number(header.getBigUint64(8, true)));
        header.setUint8(16, BlockStatus.Ok);
        heads.push(head);
      }
      return sectors;
    },
    complete() {
      for (const [i, head] of heads.splice(0).reverse().entries()) {
        const slot = (used.getUint16(2, true) + i) % size;
        used.setUint32(4 + 8 * slot, head, true);
        used.setUint32(8 + 8 * slot, BLOCK + 1, true);
      }
      used.setUint16(2, taken, true);
      const returned = queue.returned();
      events.push(`returned ${returned}`);
      load.returned(returned);
      const count = queue.poll((token, written) => load.done(token, written), size);
      events.push(`done ${count}`);
      load.submit();
    },
  };
}

// In 64 entries there is room for eight requests more, in 32 for two.
for (const size of [64, 32]) {
  test(`a sequential load asks for one block after another, however they come back (ring of ${size})`, (t) => {
    const { load, take, complete } = play(t, size);
    load.submit();
    const sectors: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      const asked = take();
      // Never more than its depth, and never less.
      assert.equal(asked.length, DEPTH);
      sectors.push(...asked);
      complete();
    }
    const expected = sectors.map((_, i) => (i * BLOCK) / 512);
    assert.deepEqual(sectors, expected);
  });
}

test("what is laid out ahead is shown before what came back is looked at", (t) => {
  const { load, events, take, complete } = play(t, 64);
  load.submit();
  take();
  complete();
  assert.deepEqual(events, ["show 8", "returned 8", "show 8", "done 8"]);
});

test("what there is no room for ahead follows what came back", (t) => {
  const { load, events, take, complete } = play(t, 32);
  load.submit();
  take();
  complete();
  assert.deepEqual(events, ["show 8", "returned 8", "show 2", "done 8", "show 6"]);
});
