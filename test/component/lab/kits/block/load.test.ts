import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BlockStatus } from "../../../../../src/endpoints/devices/block/index.ts";
import {
  type BlockLoadSpec,
  createRingDriver,
} from "../../../../../src/lab/kits/block/workloads/load.ts";
import { GuestMemory } from "../../../../../src/core/memory/index.ts";
import type { RingDriver } from "../../../../../src/core/runtime/index.ts";
import { createDriverQueue } from "../../../../../src/core/virtqueue/index.ts";
import { progressBuffer } from "../../../../../src/lab/workloads/bench/threads.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";

guardLeaks();

const BLOCK = 4096;
const DEPTH = 8;

interface Played {
  readonly load: RingDriver;
  /** What the load published, received and completed, in order. */
  readonly events: string[];
  /** Types of the requests that the device took. */
  readonly types: number[];
  /** The device takes what is there; the sectors that were asked for. */
  take(this: void): number[];
  /** It is done with everything, the newest first, and the load is given it. */
  complete(this: void): void;
}

/** A sequential load on a ring whose other side is this test. */
function play(t: TestContext, size: number, more: Partial<BlockLoadSpec> = {}): Played {
  const memory = new GuestMemory({ size: 1 << 20 });
  t.after(() => memory.close());
  const features = { eventIdx: false, indirect: false };
  const queue = createDriverQueue({ size, memory, features });
  const events: string[] = [];
  const publish = (most?: number): void => {
    const before = queue.published;
    queue.publish(most);
    if (queue.published > before) events.push(`show ${queue.published - before}`);
  };
  const load = createRingDriver(
    { queue, memory, features: 0n, publish },
    {
      workload: "read",
      readPercent: 100,
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
      progress: progressBuffer(),
      ...more,
    },
  );
  const { descriptors, driver, device } = queue.parts;
  const [table, available, used] = [descriptors, driver, device].map(
    ({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  );
  assert.ok(table && available && used);
  const types: number[] = [];
  let taken = 0;
  const heads: number[] = [];
  return {
    load,
    events,
    types,
    take() {
      const sectors: number[] = [];
      for (; taken !== available.getUint16(2, true); taken += 1) {
        const head = available.getUint16(4 + 2 * (taken % size), true);
        const at = Number(table.getBigUint64(head * 16, true)) - descriptors.guestAddress;
        // Headers are behind the rings, in the same mapping.
        const header = new DataView(table.buffer, table.byteOffset + at, 17);
        types.push(header.getUint32(0, true));
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
      const pending = queue.pendingCompletions();
      events.push(`pending ${pending}`);
      load.completing(pending);
      const count = queue.poll((token, written) => load.done(token, written), size);
      events.push(`done ${count}`);
      load.submit();
    },
  };
}

// In 64 entries there is room for eight requests more, in 32 for two.
for (const size of [64, 32]) {
  test(`a sequential load asks for one block after another, in whatever order they complete (ring of ${size})`, (t) => {
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

for (const [workload, readPercent] of [
  ["rw", 80],
  ["randrw", 30],
  ["mix", 70],
] as const) {
  test(`a ${workload} load reads ${readPercent} % of the time, in the order that it should`, (t) => {
    const { load, take, complete, types } = play(t, 64, { workload, readPercent });
    load.submit();
    const sectors: number[] = [];
    for (let round = 0; round < 500; round += 1) {
      sectors.push(...take());
      complete();
    }
    const reads = types.filter((type) => type === 0).length / types.length;
    assert.ok(Math.abs(reads * 100 - readPercent) < 5, `${reads}`);
    const isSequential = sectors.every((sector, i) => sector === (i * BLOCK) / 512);
    assert.equal(isSequential, workload === "rw");
  });
}

test("prepared chains are published before completions are collected", (t) => {
  const { load, events, take, complete } = play(t, 64);
  load.submit();
  take();
  complete();
  assert.deepEqual(events, ["show 8", "pending 8", "show 8", "done 8"]);
});

test("chains that do not fit ahead are published after completions", (t) => {
  const { load, events, take, complete } = play(t, 32);
  load.submit();
  take();
  complete();
  assert.deepEqual(events, ["show 8", "pending 8", "show 2", "done 8", "show 6"]);
});
