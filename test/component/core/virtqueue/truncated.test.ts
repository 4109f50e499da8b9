import assert from "node:assert/strict";
import { ftruncateSync, readSync, writeSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { BlockDevice, BlockRequest } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { type MemoryView, Region, RegionTable } from "../../../../src/core/memory/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { DeviceRunner } from "../../../../src/core/runtime/index.ts";
import {
  DescriptorFlag,
  createChainCursor,
  SplitDeviceQueue,
  splitRingLayout,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { header, runningQueue } from "../../support/block.ts";
import { describeRegion, makeRegion, PAGE, unsealedFile } from "../../support/memory.ts";
import { linked, RawSplitRing, writeIndirectTable } from "../../../../src/lab/wire/index.ts";
import { turns, until } from "../../../support/until.ts";

const { Write: WRITE } = DescriptorFlag;

guardLeaks();

const RING = 0x10_000;
const DATA = 0x100_000;
const SIZE = 8;

/** A ring in one file and its buffers in another, both of which the front-end can truncate. */
function makeShared(t: TestContext) {
  const table = new RegionTable();
  t.after(() => table.close());
  const files = { ring: unsealedFile(PAGE), data: unsealedFile(4 * PAGE) };
  const peer = { ring: files.ring.duplicate(), data: files.data.duplicate() };
  t.after(() => {
    peer.ring.close();
    peer.data.close();
  });
  table.replace([
    new Region(describeRegion(RING, PAGE), files.ring),
    new Region(describeRegion(DATA, 4 * PAGE), files.data),
  ]);
  const [ringRegion, dataRegion] = table.regions;
  assert.ok(ringRegion && dataRegion);
  const layout = splitRingLayout(SIZE);
  const part = (offset: number, { bytes }: { bytes: number }): MemoryView =>
    ringRegion.view(offset, bytes);
  const device = new SplitDeviceQueue({
    size: SIZE,
    memory: {
      descriptors: part(0, layout.descriptors),
      driver: part(1024, layout.driver),
      device: part(2048, layout.device),
    },
    space: table,
    features: { eventIdx: false, indirect: true },
    base: 0,
  });
  const view = dataRegion.view(0, 4 * PAGE);
  const data = view.window.bytes;
  return {
    table,
    device,
    raw: new RawSplitRing(device.raw),
    peer,
    data,
    chain: createChainCursor(),
  };
}

const gone = /expected shared memory to stay, but the file behind it was truncated/;

test("a ring whose memory was taken away is broken at the next look", (t) => {
  const { device, raw, peer, chain } = makeShared(t);
  raw.put(0, { address: DATA, length: 8 });
  raw.publish(0);
  assert.ok(device.next(chain));
  device.complete(0, 0);
  assert.equal(device.publish(), true);
  assert.equal(device.enableNotifications(), true);
  ftruncateSync(peer.ring.fd, 0);
  assert.equal(device.next(chain), false);
  assert.match(device.broken?.reason ?? "", gone);
});

test("a ring that loses its memory while it goes to sleep is looked at again", (t) => {
  const { device, peer, chain } = makeShared(t);
  assert.equal(device.next(chain), false);
  ftruncateSync(peer.ring.fd, 0);
  assert.equal(device.enableNotifications(), false);
  assert.match(device.broken?.reason ?? "", gone);
});

test("buffers that were taken away break the ring before a completion is shown", (t) => {
  const { device, raw, peer, chain, data } = makeShared(t);
  raw.put(0, { address: DATA, length: 8, flags: WRITE });
  raw.publish(0);
  assert.ok(device.next(chain));
  ftruncateSync(peer.data.fd, 0);
  data[0] = 1;
  device.complete(0, 8);
  assert.equal(device.publish(), false);
  assert.match(device.broken?.reason ?? "", gone);
  assert.equal(device.raw.used16[1], 0);
});

test("what zero pages look like is not given as the reason", (t) => {
  const { device, raw, peer, chain, data } = makeShared(t);
  const table = {
    bytes: data,
    address: DATA,
    guestAddress: DATA,
    userAddress: 0n,
    ringAddress: 0n,
    view: undefined as never,
  };
  const entries = linked([
    { address: DATA + 64, length: 8 },
    { address: DATA + 64, length: 8, flags: WRITE },
  ]);
  raw.put(0, writeIndirectTable("split", table, entries));
  raw.publish(0);
  ftruncateSync(peer.data.fd, 0);
  assert.ok(device.next(chain), "a chain of one empty descriptor");
  device.fail("expected a writable status byte", "5.2.6");
  assert.match(device.broken?.reason ?? "", gone);
});

test("other memory that was taken away does not break the ring", (t) => {
  const { device, raw, chain } = makeShared(t);
  const fd = unsealedFile(PAGE);
  const peer = fd.duplicate();
  const other = new RegionTable();
  other.replace([new Region(describeRegion(RING, PAGE), fd)]);
  ftruncateSync(peer.fd, 0);
  const view = other.regions[0]?.view(0, 1);
  if (view) view.window.bytes[0] = 1;
  assert.equal(other.broken, true);
  raw.put(0, { address: DATA, length: 8 });
  raw.publish(0);
  assert.ok(device.next(chain));
  device.complete(0, 0);
  assert.equal(device.publish(), true);
  assert.equal(device.broken, undefined);
  other.close();
  peer.close();
});

test("a region that is not used by the ring breaks it too: the session's memory is one", (t) => {
  const { device, table, chain } = makeShared(t);
  const fd = unsealedFile(PAGE);
  const peer = fd.duplicate();
  const unused = new Region(describeRegion(0, PAGE), fd);
  table.add(unused);
  ftruncateSync(peer.fd, 0);
  assert.equal(device.next(chain), false);
  assert.equal(device.enableNotifications(), true, "the ring was not touched");
  unused.view(0, 1).window.bytes[0] = 1;
  assert.equal(device.next(chain), false);
  assert.match(device.broken?.reason ?? "", gone);
  peer.close();
});

for (const way of [
  "truncated before it is looked at",
  "truncated after the driver half was served",
]) {
  test(`a runner reports once that its ring was ${way}`, async (t) => {
    const { device, raw, peer, chain } = makeShared(t);
    using kick = EventFd.create();
    using call = EventFd.create();
    raw.put(0, { address: DATA, length: 8 });
    raw.publish(0);
    let broken = 0;
    let served = 0;
    const runner = new DeviceRunner({
      queue: device,
      kick,
      call,
      process: () => {
        while (device.next(chain)) {
          served += 1;
          device.complete(chain.id, 0);
        }
      },
      onBroken: () => (broken += 1),
    });
    t.after(() => runner.stop());
    if (way.includes("after")) {
      await until(() => served === 1);
      await until(() => call.drain());
    }
    ftruncateSync(peer.ring.fd, 0);
    kick.signal();
    await until(() => broken > 0);
    kick.signal();
    runner.wake();
    runner.publish();
    await turns(5);
    assert.equal(broken, 1);
    assert.equal(call.drain(), false, "no completion is announced");
  });
}

for (const write of [false, true]) {
  test(`a disk ${write ? "writes" : "reads"} no data where memory was taken away, and lives on`, (t) => {
    const { device, raw, peer, table, data } = makeShared(t);
    const storage = BlockStorage.memory(4 * PAGE);
    t.after(() => storage.close());
    const before = new Uint8Array(4 * PAGE).fill(0x11);
    writeSync(storage.fd, before, 0, before.length, 0);
    const disk = new BlockDevice({ storage });
    const other = makeRegion(0x50_000, PAGE);
    table.add(other);
    // Header and status are in memory that stays.
    const { window, offset } = other.view(0, 64);
    window.bytes.set(header(write ? BlockRequest.Out : BlockRequest.In, 2), offset);
    window.bytes[offset + 32] = 0xee;
    const buffer = { address: DATA + PAGE, length: 2 * PAGE };
    raw.put(
      0,
      ...linked([
        { address: 0x50_000, length: 16 },
        write ? buffer : { ...buffer, flags: WRITE },
        { address: 0x50_000 + 32, length: 1, flags: WRITE },
      ]),
    );
    raw.publish(0);
    ftruncateSync(peer.data.fd, PAGE);
    disk.process(runningQueue(device));
    assert.equal(window.bytes[offset + 32], 1, "VIRTIO_BLK_S_IOERR");
    assert.equal(device.publish(), false);
    assert.match(device.broken?.reason ?? "", gone);
    assert.equal(data[0], 0);
    const stored = new Uint8Array(4 * PAGE);
    readSync(storage.fd, stored, 0, stored.length, 0);
    assert.deepEqual(stored, before);
  });
}
