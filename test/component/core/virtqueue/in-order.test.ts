import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import {
  createChainCursor,
  type PackedRingWords,
  type SplitRingWords,
  SegmentList,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import { type Rings, openRings, type RingOptions, segmentsOf } from "../../support/rings.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const AVAILABLE = 1 << 7;
const USED = 1 << 15;
const WRITE = 2;

interface Ordered extends Rings {
  /** Adds and publishes a chain of readable and writable segments of 8 bytes. */
  submit(token: number, readable: number, writable: number): void;
  poll(max?: number): [token: number, written: number][];
}

function ordered(t: TestContext, options: RingOptions): Ordered {
  const rings = openRings({ inOrder: true, ...options });
  const { memory, table, driver } = rings;
  t.after(() => {
    table.close();
    memory.close();
  });
  const { guestAddress } = memory.allocate(256);
  return {
    ...rings,
    submit(token, readable, writable) {
      const segments = new SegmentList(8);
      for (let i = 0; i < readable + writable; i += 1) segments.push(guestAddress + i * 8, 8);
      assert.ok(driver.add(segments, readable, token), "room");
      driver.publish();
    },
    poll(max = 100) {
      const done: [number, number][] = [];
      driver.poll((token, written) => done.push([token, written]), max);
      return done;
    },
  };
}

/** Takes all that is available; the ids. */
function takeAll({ device }: Rings): number[] {
  const chain = createChainCursor();
  const ids: number[] = [];
  while (device.next(chain)) ids.push(chain.id);
  assert.equal(device.broken, undefined);
  return ids;
}

function splitOf({ driver }: Rings): SplitRingWords {
  assert.equal(driver.raw.format, "split");
  return driver.raw as SplitRingWords;
}

function packedOf({ driver }: Rings): PackedRingWords {
  assert.equal(driver.raw.format, "packed");
  return driver.raw as PackedRingWords;
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`chains are completed in the order in which they were taken, in whatever order they finish (${format})`, (t) => {
    const on = ordered(t, { packed });
    for (let token = 0; token < 4; token += 1) on.submit(token, 1, 1);
    const [a = 0, b = 0, c = 0, d = 0] = takeAll(on);
    on.device.complete(c, 3);
    on.device.complete(b, 2);
    assert.equal(on.device.publish(), false, "the first is not finished");
    assert.deepEqual(on.poll(), []);
    assert.equal(on.device.inFlight, 4);
    on.device.complete(a, 1);
    assert.equal(on.device.inFlight, 1);
    assert.equal(on.device.publish(), true);
    assert.deepEqual(on.poll(), [
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    on.device.complete(d, 4);
    on.device.publish();
    assert.deepEqual(on.poll(), [[3, 4]]);
    assert.equal(on.driver.broken, undefined);
  });

  test(`of a batch a driver takes as much as it wants, and goes on later (${format})`, (t) => {
    const on = ordered(t, { packed, eventIdx: true });
    for (let token = 0; token < 5; token += 1) on.submit(token, 1, 0);
    for (const id of takeAll(on)) on.device.complete(id, 0);
    on.device.publish();
    assert.deepEqual(on.poll(2), [
      [0, 0],
      [1, 0],
    ]);
    assert.equal(on.driver.enableNotifications(), false, "there is more");
    assert.equal(on.driver.outstanding, 3);
    assert.deepEqual(on.poll(1), [[2, 0]]);
    assert.deepEqual(on.poll(), [
      [3, 0],
      [4, 0],
    ]);
    assert.equal(on.driver.enableNotifications(), true);
  });

  test(`the completion of a chain that the device does not have reaches the driver unchanged (${format})`, (t) => {
    const on = ordered(t, { packed });
    on.submit(7, 0, 1);
    on.submit(8, 0, 1);
    const [id = 0] = takeAll(on);
    on.device.complete(id, 8);
    on.device.complete(id, 8);
    on.device.complete(5, 8);
    on.device.publish();
    on.poll();
    assert.ok(on.driver.broken, "the driver finds it");
  });
}

test("split: one used element, in the slot of the first, completes a batch of chains that were only read", (t) => {
  const on = ordered(t, {});
  const raw = splitOf(on);
  raw.used32.fill(0xeeee_eeee, 1, 17);
  for (let token = 0; token < 3; token += 1) on.submit(token, 1, 0);
  on.submit(3, 1, 1);
  on.submit(4, 1, 0);
  for (const id of takeAll(on)) on.device.complete(id, id === 3 ? 5 : 0);
  on.device.publish();
  assert.equal(raw.used16[1], 5, "the index counts them all");
  const elements = [0, 1, 2, 3, 4].map((i) => [raw.used32[1 + 2 * i], raw.used32[2 + 2 * i]]);
  const untouched = [0xeeee_eeee, 0xeeee_eeee];
  // Heads are 0, 1, 2, 3 (two descriptors) and 5; the one that was written to ends the batch.
  assert.deepEqual(elements, [[3, 5], untouched, untouched, untouched, [5, 0]]);
  assert.deepEqual(on.poll(), [
    [0, 0],
    [1, 0],
    [2, 0],
    [3, 5],
    [4, 0],
  ]);
  on.submit(5, 1, 0);
  for (const id of takeAll(on)) on.device.complete(id, 0);
  on.device.publish();
  assert.deepEqual([raw.used32[11], raw.used16[1]], [6, 6], "the next element follows the batch");
  assert.deepEqual(on.poll(), [[5, 0]]);
});

test("packed: one used descriptor, in the slot of the first, completes a batch of buffers that were only read", (t) => {
  const on = ordered(t, { packed: true, size: 7 });
  const raw = packedOf(on);
  on.submit(0, 2, 0);
  on.submit(1, 1, 0);
  on.submit(2, 1, 1);
  on.submit(3, 1, 0);
  const before = [0, 1, 2, 3, 4, 5].map((i) => raw.descriptors16[i * 8 + 7]);
  const ids = [1, 2, 4, 5].map((i) => raw.descriptors16[i * 8 + 6]);
  for (const slot of takeAll(on)) on.device.complete(slot, slot === 2 ? 6 : 0);
  on.device.publish();
  const flags = [0, 1, 2, 3, 4, 5].map((i) => raw.descriptors16[i * 8 + 7]);
  assert.deepEqual(flags, [AVAILABLE | USED | WRITE, ...before.slice(1, 5), AVAILABLE | USED]);
  assert.deepEqual([raw.descriptors16[6], raw.descriptors[2]], [ids[2], 6]);
  assert.equal(raw.descriptors16[5 * 8 + 6], ids[3]);
  assert.deepEqual(on.poll(), [
    [0, 0],
    [1, 0],
    [2, 6],
    [3, 0],
  ]);
  // Across the end of the ring: positions 6, 0 and 1.
  on.submit(4, 1, 0);
  on.submit(5, 2, 0);
  for (const slot of takeAll(on)) on.device.complete(slot, 0);
  on.device.publish();
  assert.equal(raw.descriptors16[6 * 8 + 7], AVAILABLE | USED);
  assert.deepEqual(on.poll(), [
    [4, 0],
    [5, 0],
  ]);
  assert.equal(on.driver.base, 0x0002_0002);
  assert.equal(on.device.state().base, on.driver.base);
});

test("split: descriptors are used in the order of the table, which next shows (VIRTIO 2.7.5.2)", (t) => {
  const on = ordered(t, { size: 4 });
  const raw = splitOf(on);
  const heads: number[] = [];
  for (let token = 0; token < 6; token += 1) {
    on.submit(token, 2, 1);
    const head = raw.available[2 + (token & 3)] ?? -1;
    heads.push(head);
    for (const at of [head, (head + 1) & 3]) {
      assert.equal(raw.descriptors16[at * 8 + 7], (at + 1) & 3, `next of ${at}`);
    }
    for (const id of takeAll(on)) on.device.complete(id, 8);
    on.device.publish();
    assert.deepEqual(on.poll(), [[token, 8]]);
  }
  assert.deepEqual(heads, [0, 3, 2, 1, 0, 3]);
});

test("split: of what an element skips, everything counts as written", (t) => {
  const on = ordered(t, { size: 16 });
  const raw = splitOf(on);
  for (let token = 0; token < 3; token += 1) on.submit(token, 1, 2);
  raw.used32[1] = 3;
  raw.used32[2] = 9;
  Atomics.store(raw.used16, 1, 2);
  assert.deepEqual(on.poll(), [
    [0, 16],
    [1, 9],
  ]);
});

test("packed: of what a descriptor skips, everything counts as written", (t) => {
  const on = ordered(t, { packed: true });
  const raw = packedOf(on);
  for (let token = 0; token < 2; token += 1) on.submit(token, 1, 2);
  raw.descriptors[2] = 9;
  raw.descriptors16[6] = raw.descriptors16[5 * 8 + 6] ?? 0;
  Atomics.store(raw.descriptors16, 7, AVAILABLE | USED | WRITE);
  assert.deepEqual(on.poll(), [
    [0, 16],
    [1, 9],
  ]);
});

/** A used id that the driver must refuse; three chains are out, `shown` are said to be used. */
const invalidSplitIds: readonly [name: string, id: number, shown: number][] = [
  ["a chain behind those that the index counts", 6, 2],
  ["no head", 1, 3],
  ["nothing that is out", 7, 3],
  ["nothing of the table", 16, 3],
  ["nothing of 16 bits", 0x1_0000, 3],
];
for (const [name, id, shown] of invalidSplitIds) {
  test(`split: a used id that names ${name} breaks the ring`, (t) => {
    const on = ordered(t, { size: 16 });
    const raw = splitOf(on);
    for (let token = 0; token < 3; token += 1) on.submit(token, 1, 2);
    if (id === 6) assert.equal(raw.available[4], 6);
    raw.used32[1] = id;
    Atomics.store(raw.used16, 1, shown);
    assert.deepEqual(on.poll(), []);
    assert.match(on.driver.broken?.reason ?? "", new RegExp(`${shown} chains .* got ${id}$`));
    assert.equal(on.driver.broken?.section, "2.7.9");
  });
}

const invalidPackedIds: readonly [name: string, invalidId: (on: Ordered) => number][] = [
  [
    "a buffer that was not published",
    ({ memory, driver }) => {
      const { guestAddress } = memory.allocate(16);
      driver.add(segmentsOf([guestAddress, 8], [guestAddress + 8, 8]), 1, 9);
      // The id is in the last descriptor; the first is written when it is published.
      return packedOf({ driver } as Rings).descriptors16[10 * 8 + 6] ?? -1;
    },
  ],
  ["no buffer", () => 5],
  ["nothing of the ring", () => 16],
  ["nothing at all", () => 0xffff],
];
for (const [name, invalidId] of invalidPackedIds) {
  test(`packed: a used id that names ${name} breaks the ring`, (t) => {
    const on = ordered(t, { packed: true, size: 16 });
    const raw = packedOf(on);
    for (let token = 0; token < 3; token += 1) on.submit(token, 1, 2);
    const id = invalidId(on);
    raw.descriptors16[6] = id;
    Atomics.store(raw.descriptors16, 7, AVAILABLE | USED);
    assert.deepEqual(on.poll(), []);
    assert.match(
      on.driver.broken?.reason ?? "",
      new RegExp(`one of the 3 oldest outstanding buffers .* got ${id}$`),
    );
    assert.equal(on.driver.broken?.section, "2.8.8");
  });
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`the back-end offers the order, and a client has it on request (${format})`, async (t) => {
    const served = await serveDisk(t);
    for (const inOrder of [false, true]) {
      const client = await connectDisk(t, served, { packed, inOrder });
      assert.equal((client.features & VirtioFeature.InOrder) !== 0n, inOrder);
      assert.equal(client.ringFeatures.inOrder, inOrder);
      const driver = await BlockDriver.start(client, SMALL);
      const data = pattern(3);
      // A flush is finished by another thread, and long after what came behind it.
      const order: string[] = [];
      const note = (what: string) => () => order.push(what);
      await Promise.all([
        driver.flush().then(note("flush")),
        driver.write(0, data).then(note("write")),
        driver.read(0, 4096).then((read) => {
          assert.deepEqual(read, data);
          order.push("read");
        }),
      ]);
      if (inOrder) assert.deepEqual(order, ["flush", "write", "read"]);
      await client.close();
    }
    assert.deepEqual(served.problems, []);
  });

  test(`a device that completes in any order does not show (${format})`, async (t) => {
    const device = new HoldingDevice();
    const path = join(temporaryFolder(t), "held.sock");
    const server = await BackendServer.listen(path, { device: () => device });
    t.after(async () => {
      server.close();
      await until(() => server.sessions.size === 0, "the session to end");
    });
    const client = await Client.connect(path, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 1 << 20 },
      packed,
      inOrder: true,
    });
    t.after(() => client.close());
    const tokens: number[] = [];
    const queue = client.createQueue({
      index: 0,
      size: 8,
      ringMode: "event",
      handler: { done: (token) => tokens.push(token), failed: () => undefined },
    });
    await client.startQueue(queue);
    const { guestAddress } = client.memory.allocate(64);
    for (let token = 0; token < 4; token += 1) queue.add(segmentsOf([guestAddress, 8]), 0, token);
    queue.publish();
    await until(() => device.held.length === 4, "the chains");
    device.held.reverse();
    device.release();
    await until(() => tokens.length === 4, "the completions");
    assert.deepEqual(tokens, [0, 1, 2, 3]);
  });
}
