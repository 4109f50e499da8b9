import assert from "node:assert/strict";
import { ftruncateSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { QueueError } from "../../../../src/core/base/index.ts";
import { InflightRegion } from "../../../../src/core/memory/index.ts";
import { OwnedFd, SharedMemory } from "../../../../src/core/os/index.ts";
import type { Inflight } from "../../../../src/core/protocol/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  type DeviceQueue,
  ringFormat,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { unsealedFile } from "../../support/memory.ts";
import { locateRing, openRings, segmentsOf } from "../../support/rings.ts";

guardLeaks();

const SIZE = 8;

/** A ring with chains in flight, in a region whose words a test may change before it is used again. */
function crashed(t: TestContext, packed: boolean, requests = 3) {
  const rings = openRings({ size: SIZE, packed });
  const { description, fd } = InflightRegion.create(1, SIZE, packed);
  const region = new InflightRegion(description, fd, packed);
  t.after(() => {
    rings.table.close();
    rings.memory.close();
    region.close();
  });
  const start = (): DeviceQueue =>
    createDeviceQueue({
      size: SIZE,
      memory: locateRing(rings.table, rings.driver),
      space: rings.table,
      features: { eventIdx: false, indirect: false, packed },
      base: ringFormat(packed).freshBase,
      inflight: region.area(0, packed),
    });
  const buffer = rings.memory.allocate(64);
  for (let token = 0; token < requests; token += 1) {
    rings.driver.add(segmentsOf([buffer.guestAddress + token * 8, 8]), 1, token);
  }
  rings.driver.publish();
  const device = start();
  const chain = createChainCursor();
  const ids: number[] = [];
  while (device.next(chain)) ids.push(chain.id);
  const area = region.area(0, packed);
  assert.ok(area);
  const { buffer: bytes } = area.view.window.bytes;
  const { offset, length } = area.view;
  return {
    ...rings,
    device,
    region,
    ids,
    start,
    bytes: new Uint8Array(bytes, offset, length),
    halves: new Uint16Array(bytes, offset, length / 2),
  };
}

/** How many chains a device half finds, and in which order of their buffers. */
function found(device: DeviceQueue): number[] {
  const chain = createChainCursor();
  const offsets: number[] = [];
  while (device.next(chain)) offsets.push(chain.spans.offsets[0] ?? 0);
  assert.equal(device.broken, undefined);
  const first = Math.min(...offsets);
  return offsets.map((offset) => (offset - first) / 8);
}

test("a region is made as the specification lays it out", (t) => {
  const split = crashed(t, false);
  assert.equal(split.region.description.mmapSize, 192n, "64-byte strides: 16 + 16 * 8");
  // version, desc_num, last_batch_head, used_idx
  assert.deepEqual([...split.halves.subarray(4, 8)], [1, SIZE, 0, 0]);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => [split.bytes[16 + 16 * i], split.bytes[24 + 16 * i]]),
    [
      [1, 0],
      [1, 1],
      [1, 2],
      [0, 0],
    ],
  );
  const packed = crashed(t, true);
  assert.equal(packed.region.description.mmapSize, 320n, "32 + 32 * 8, in strides of 64 bytes");
  // version, desc_num, free_head, old_free_head, used_idx, old_used_idx
  assert.deepEqual([...packed.halves.subarray(4, 10)], [1, SIZE, 3, 3, 0, 0]);
  assert.deepEqual([...packed.bytes.subarray(20, 22)], [1, 1], "wrap counters");
  // Entry 2: inflight, next, last, num; the free ones go on to the end, which is desc_num.
  assert.deepEqual([...packed.bytes.subarray(96, 104)], [1, 0, 3, 0, 2, 0, 1, 0]);
  assert.equal(packed.halves[16 + 16 * 7 + 1], SIZE);
});

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`chains are replayed in the order of their counters: ${format}`, (t) => {
    const { start, bytes } = crashed(t, packed);
    const counter = (entry: number): number => (packed ? 32 + 32 * entry : 16 + 16 * entry) + 8;
    bytes[counter(0)] = 9;
    bytes[counter(1)] = 3;
    // Behind the 32nd bit: the two halves are one number.
    bytes[counter(2) + 4] = 1;
    assert.deepEqual(found(start()), [1, 0, 2]);
  });

  test(`a batch that was published while its marks stayed set is not replayed: ${format}`, (t) => {
    const { start, device, driver, ids, bytes } = crashed(t, packed);
    const before = bytes.slice();
    for (const id of ids.slice(0, 2)) device.complete(id, 0);
    device.publish();
    if (packed) {
      // As if killed between the flags of the ring and the marks: what follows them is undone.
      for (const at of [14, 15, 18, 19, 21]) bytes[at] = before[at] ?? 0;
    } else {
      bytes[16] = 1;
      bytes[32] = 1;
      bytes[14] = 0;
    }
    assert.equal(found(start()).length, 1);
    let completed = 0;
    driver.poll(() => (completed += 1), 10);
    assert.equal(completed, 2);
  });

  test(`a ring goes on behind what is in flight: ${format}`, (t) => {
    const { start, driver, memory } = crashed(t, packed);
    const buffer = memory.allocate(64);
    driver.add(segmentsOf([buffer.guestAddress, 8]), 1, 7);
    driver.publish();
    const device = start();
    assert.equal(device.hasNext(), true);
    assert.equal(device.enableNotifications(), false, "there is something to do without a kick");
    assert.equal(found(device).length, 4);
    assert.equal(device.hasNext(), false);
    assert.equal(device.state().base, packed ? 0x8000_8004 : 4);
  });

  test(`nonsense in a region is refused and named: ${format}`, (t) => {
    const { start, bytes } = crashed(t, packed);
    const good = bytes.slice();
    const spoil = (at: number, ...values: number[]): void => {
      bytes.set(good);
      bytes.set(values, at);
    };
    const refused = (): void => {
      assert.throws(
        start,
        (error: unknown) => error instanceof QueueError && /in-flight region/.test(error.message),
      );
    };
    spoil(8, 2);
    refused();
    spoil(10, 0xff, 0xff);
    refused();
    const inflightOf = (entry: number): number => (packed ? 32 + 32 * entry : 16 + 16 * entry);
    bytes.set(good);
    for (let entry = 0; entry < SIZE; entry += 1) bytes[inflightOf(entry)] = 1;
    if (packed) assert.equal(found(start()).length, 3, "marks on free entries go away");
    else refused();
    if (packed) {
      spoil(12, 0xff, 0xff, 0xff, 0xff);
      refused();
      spoil(16, 0xff, 0xff, 0xff, 0xff);
      refused();
      // The free list runs in a circle, then into a chain in flight, then ends too soon.
      spoil(32 + 32 * 5 + 2, 3, 0);
      refused();
      spoil(32 + 32 * 5 + 2, 1, 0);
      refused();
      spoil(32 + 32 * 5 + 2, SIZE, 0);
      refused();
      // A chain of none, and of more than there is.
      spoil(32 + 6, 0, 0);
      refused();
      spoil(32 + 6, 0xff, 0xff);
      refused();
    } else {
      // The last batch leaves the region, and is longer than there is.
      spoil(12, 0xff, 0xff, 0xff, 0xff);
      refused();
      spoil(14, 0x00, 0x80);
      assert.equal(found(start()).length, 3, "a list in a circle ends");
    }
    for (let seed = 1; seed < 2000; seed += 1) {
      bytes.set(good);
      for (let i = 0; i < 4; i += 1) {
        const random = Math.imul(seed * 4 + i, 0x9e3779b1) >>> 0;
        bytes[random % bytes.length] = (random >>> 16) & 0xff;
      }
      try {
        const device = start();
        const chain = createChainCursor();
        for (let taken = 0; device.next(chain); taken += 1) assert.ok(taken <= SIZE);
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
      }
    }
  });

  test(`a region that is truncated under a running ring breaks the ring only: ${format}`, (t) => {
    const rings = openRings({ size: SIZE, packed });
    const fd = unsealedFile(4096);
    const description = { mmapSize: 4096n, mmapOffset: 0n, numQueues: 1, queueSize: SIZE };
    const region = new InflightRegion(description, fd.duplicate(), packed);
    t.after(() => {
      rings.table.close();
      rings.memory.close();
      region.close();
      fd.close();
    });
    const device = createDeviceQueue({
      size: SIZE,
      memory: locateRing(rings.table, rings.driver),
      space: rings.table,
      features: { eventIdx: false, indirect: false, packed },
      base: ringFormat(packed).freshBase,
      inflight: region.area(0, packed),
    });
    rings.driver.add(segmentsOf([rings.memory.allocate(8).guestAddress, 8]), 1, 0);
    rings.driver.publish();
    const chain = createChainCursor();
    assert.ok(device.next(chain));
    ftruncateSync(fd.fd, 0);
    device.complete(chain.id, 0);
    device.publish();
    device.publish();
    assert.equal(device.next(chain), false);
    assert.match(device.broken?.reason ?? "", /truncated/);
  });

  test(`a ring larger than the region was made for is refused: ${format}`, (t) => {
    const rings = openRings({ size: SIZE, packed });
    const { description, fd } = InflightRegion.create(1, SIZE / 2, packed);
    const region = new InflightRegion(description, fd, packed);
    t.after(() => {
      rings.table.close();
      rings.memory.close();
      region.close();
    });
    assert.throws(
      () =>
        createDeviceQueue({
          size: SIZE,
          memory: locateRing(rings.table, rings.driver),
          space: rings.table,
          features: { eventIdx: false, indirect: false, packed },
          base: ringFormat(packed).freshBase,
          inflight: region.area(0, packed),
        }),
      { message: "in-flight region: expected room for 8 entries, the size of the ring, got 4" },
    );
  });
}

test("numbers that make no region are refused, and the descriptor is closed", () => {
  const cases: [Partial<Inflight>, RegExp][] = [
    [{ numQueues: 0 }, /room for a queue, got 0 queues of 8/],
    [{ queueSize: 0 }, /room for a queue, got 1 queue of 0/],
    [{ mmapSize: 0n }, /at least 192 bytes for 1 queue of 8 entries, got 0/],
    [{ numQueues: 0xffff, queueSize: 0x8000, mmapSize: 1n << 62n }, /at most 1073741824 bytes/],
    [{ mmapOffset: 4n }, /multiple of 8, got 4/],
    [{ mmapOffset: 4096n }, /a file of at least 8192 bytes/],
    [{ mmapOffset: (1n << 64n) - 8n }, /a file of at least 18446744073709555704 bytes/],
  ];
  for (const [change, message] of cases) {
    const { fd } = SharedMemory.create("test", 4096);
    const description = { mmapSize: 4096n, mmapOffset: 0n, numQueues: 1, queueSize: 8, ...change };
    assert.throws(() => new InflightRegion(description, fd, false), { message });
    assert.ok(fd.closed);
  }
});

test("a descriptor that is not a file cannot be a region", () => {
  const description = { mmapSize: 4096n, mmapOffset: 0n, numQueues: 1, queueSize: 8 };
  const stdin = OwnedFd.duplicateOf(0);
  assert.throws(() => new InflightRegion(description, stdin, false), { message: /in flight/ });
  assert.ok(stdin.closed);
});
