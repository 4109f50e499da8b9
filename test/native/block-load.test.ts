import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockStatus } from "../../src/devices/block/index.ts";
import { createRingDriver } from "../../src/load/bench/block-load.ts";
import { GuestMemory } from "../../src/memory/index.ts";
import { createDriverQueue } from "../../src/virtqueue/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const BLOCK = 4096;
const ROUNDS = 40;

test("a sequential load asks for one block after another, however they come back", (t) => {
  const memory = new GuestMemory({ size: 1 << 20 });
  t.after(() => memory.close());
  const features = { eventIdx: false, indirect: false };
  const queue = createDriverQueue({ size: 64, memory, features });
  const load = createRingDriver(
    { queue, memory, features: 0n },
    {
      workload: "read",
      blockBytes: BLOCK,
      depth: 8,
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
  const sectors: number[] = [];
  let taken = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    load.submit();
    queue.publish();
    load.account();
    const heads: number[] = [];
    for (; taken !== available.getUint16(2, true); taken += 1) {
      const head = available.getUint16(4 + 2 * (taken % queue.size), true);
      const at = Number(table.getBigUint64(head * 16, true)) - descriptors.guestAddress;
      // Headers lie behind the rings, in the same mapping.
      const header = new DataView(table.buffer, table.byteOffset + at, 17);
      sectors.push(Number(header.getBigUint64(8, true)));
      header.setUint8(16, BlockStatus.Ok);
      heads.push(head);
    }
    // The device is done with the newest first.
    for (const [i, head] of heads.reverse().entries()) {
      const slot = (used.getUint16(2, true) + i) % queue.size;
      used.setUint32(4 + 8 * slot, head, true);
      used.setUint32(8 + 8 * slot, BLOCK + 1, true);
    }
    used.setUint16(2, taken, true);
    queue.poll((token, written) => load.done(token, written), queue.size);
  }
  assert.equal(sectors.length, 8 * ROUNDS);
  assert.deepEqual(
    sectors,
    sectors.map((_, i) => (i * BLOCK) / 512),
  );
});
