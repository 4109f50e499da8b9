import assert from "node:assert/strict";
import { ftruncateSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { BlockDevice } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { Region, RegionTable } from "../../../../src/core/memory/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { RING_MODES, type RingMode, RingWorker } from "../../../../src/core/runtime/index.ts";
import { ringFormat, splitRingLayout } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { describeRegion, PAGE, unsealedFile } from "../../support/memory.ts";
import { capability } from "../../../support/capability.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const SIZE = 8;

/** A ring in a file that the peer can truncate, and a worker for it. */
function makeWorker(t: TestContext, packed = false) {
  const file = unsealedFile(PAGE);
  const peer = file.duplicate();
  const table = new RegionTable();
  table.replace([new Region(describeRegion(0x10_000, PAGE), file)]);
  const [region] = table.regions;
  assert.ok(region);
  const { userAddress } = region.description;
  const storage = BlockStorage.memory(4 * PAGE);
  const device = new BlockDevice({ storage });
  const kick = EventFd.create();
  const call = EventFd.create();
  const seen = { faults: [] as (string | undefined)[], released: 0 };
  const worker = new RingWorker({ name: "test", onBroken: ({ fault }) => seen.faults.push(fault) });
  t.after(async () => {
    await worker.close();
    for (const each of [table, storage, kick, call, peer]) each.close();
  });
  const available = region.view(1024, splitRingLayout(SIZE).driver.bytes);
  return {
    worker,
    peer,
    kick,
    call,
    seen,
    /** Makes chains available that the device will find wrong. */
    offer: (index: number) =>
      Atomics.store(available.window.u16, (available.offset >>> 1) + 1, index),
    start(mode: RingMode): void {
      const part = capability(device, "worker").partFor(0);
      assert.ok(part);
      const release = (): void => {
        seen.released += 1;
        part.release?.();
      };
      const ring = {
        index: 0,
        size: SIZE,
        features: { eventIdx: false, indirect: false, packed },
        base: packed ? ringFormat(true).freshBase : 5,
        areas: {
          descriptors: userAddress,
          driver: userAddress + 1024n,
          device: userAddress + 2048n,
        },
        memory: table.regions.map(({ handle }) => handle),
        strict: false,
        mode,
      };
      worker.start(ring, { ...part, release }, { kick, call });
    },
  };
}

for (const mode of RING_MODES) {
  test(`a worker returns the ring's position each time it stops (${mode})`, async (t) => {
    const on = makeWorker(t);
    on.offer(5);
    for (let round = 1; round <= 3; round += 1) {
      on.start(mode);
      assert.ok(on.worker.running);
      const [first, second] = await Promise.all([on.worker.stop(), on.worker.stop()]);
      assert.deepEqual(first, { base: 5, fault: undefined });
      assert.equal(second, first, "asked twice, it stops once");
      assert.equal(on.worker.running, false);
      assert.equal(on.seen.released, round);
    }
  });

  for (const packed of [false, true]) {
    const ring = `${packed ? "packed" : "split"}, ${mode}`;
    test(`memory that is taken away breaks the ring of a worker and nothing else (${ring})`, async (t) => {
      const on = makeWorker(t, packed);
      if (!packed) on.offer(5);
      on.start(mode);
      // The call proves that the worker has mapped the memory and serves the ring.
      on.worker.replace({ kick: on.kick, call: on.call }, undefined);
      await until(() => on.call.drain());
      ftruncateSync(on.peer.fd, 0);
      on.kick.signal();
      await until(() => on.seen.faults.length === 1);
      assert.match(String(on.seen.faults[0]), /file behind it was truncated/);
      assert.equal(on.worker.gone, false);
      assert.equal(on.seen.released, 1);
    });
  }
}

test("a fault is reported once, and a later stop finds the ring as the worker left it", async (t) => {
  const on = makeWorker(t);
  on.start("event");
  on.offer(1000);
  on.kick.signal();
  await until(() => on.seen.faults.length === 1);
  assert.match(String(on.seen.faults[0]), /VIRTIO 2\.7/);
  const { base, fault } = await on.worker.stop();
  assert.deepEqual([base, fault], [5, on.seen.faults[0]]);
  assert.equal(on.seen.faults.length, 1);
});

test("what was replaced is closed, also when the worker ended before it took the change", async (t) => {
  const on = makeWorker(t);
  on.start("event");
  const closing = on.worker.close();
  const retired = EventFd.create();
  on.worker.replace({ kick: on.kick, call: on.call }, retired);
  assert.equal(retired.descriptor.closed, false, "the worker may be using it");
  await closing;
  assert.ok(retired.descriptor.closed);
});

test("a worker that was closed answers everything that is still asked of it", async (t) => {
  const on = makeWorker(t);
  on.start("poll");
  await on.worker.close();
  await on.worker.close();
  assert.ok(on.worker.gone);
  assert.equal(on.seen.released, 1);
  assert.deepEqual(await on.worker.stop(), { base: undefined, fault: undefined });
  const retired = EventFd.create();
  on.worker.replace({ kick: on.kick, call: on.call }, retired);
  assert.ok(retired.descriptor.closed);
});
