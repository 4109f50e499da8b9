import assert from "node:assert/strict";
import { test } from "node:test";
import { IotlbType, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import { deviceKinds } from "../../../../src/endpoints/devices/registry.ts";
import { GuestView } from "../../../../src/lab/rings/guest-view.ts";
import { IovaTable } from "../../../../src/lab/rings/iova-table.ts";
import { RingRecord } from "../../../../src/lab/rings/ring-record.ts";
import type { RingEvent } from "../../../../src/lab/trace/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { BYTES, DATA, DEVICE, DRIVER, TABLE, WatchedGuest } from "./support/guest.ts";

guardLeaks();

const LOOKS = 300;

/** Pseudo-random numbers that a seed repeats. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const packed of [false, true]) {
  test(`whatever is in a ${packed ? "packed" : "split"} ring, looking at it ends, and writes nothing`, (t) => {
    const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() % 2 ** 31);
    t.diagnostic(`VHOST_USER_SEED=${seed}`);
    const next = random(seed);
    const guest = new WatchedGuest(t, 64, { packed, features: VirtioFeature.EventIdx });
    const bytes = Uint8Array.from({ length: 0x3000 }, () => next() * 256);
    // Addresses that are mostly within memory, so that more than the first descriptor is read.
    for (let at = 0; at < 0x1000; at += 16) {
      if (next() < 0.8) bytes.set([next() * 256, next() * 256, next() * 16, 0x40, 0, 0, 0, 0], at);
    }
    guest.write(TABLE, bytes);
    // The first chain is whole, whatever the seed.
    if (packed)
      guest.descriptor(0, { at: DATA, length: 16, flags: DescriptorFlag.Available }, true);
    let [steps, places] = [0, 0];
    for (let i = 0; i < LOOKS; i += 1) {
      const place = packed ? TABLE + 16 * Math.floor(next() * 64) + 14 : DRIVER + 2;
      guest.u16(place, next() * 65_536);
      if (!packed) guest.u16(DEVICE + 2, next() * 65_536);
      steps += guest.look(100, next() < 0.5 ? 4 : 256);
      guest.stalls();
      places = Math.max(places, guest.rings.size);
    }
    assert.equal(places, 1);
    assert.ok(steps > 0);
    assert.ok(guest.events.every(({ us }) => us <= LOOKS * 100));
    assert.ok(guest.blocks * 512 < BYTES);
  });
}

test("every device type describes any bytes in a line of its own", () => {
  const next = random(7);
  for (const kind of deviceKinds) {
    const rings = (kind.queues.once?.length ?? 0) + 3;
    for (let i = 0; i < 40; i += 1) {
      const request = Uint8Array.from({ length: next() * 129 }, () => next() * 256);
      const chain = {
        readable: request.length,
        writable: Math.floor(next() * 200),
        written: i % 2 === 0 ? undefined : Math.floor(next() * 70_000),
        request,
        reply: (_: number, length: number) =>
          Uint8Array.from({ length: Math.floor(next() * (length + 1)) }, () => next() * 256),
      };
      const words = kind.describeChain?.(chain, i % rings, VirtioFeature.Version1);
      if (words === undefined) continue;
      assert.ok(words.text.length > 0 && !words.text.includes("\n"), kind.name);
    }
  }
});

test("a chain of indirect tables takes no more memory than a table has", (t) => {
  const guest = new WatchedGuest(t, 256);
  const { Next, Indirect, Write } = DescriptorFlag;
  // A table of 1024 writable descriptors, which every descriptor of the ring names.
  const table = new DataView(new ArrayBuffer(1024 * 16));
  for (let i = 0; i < 1024; i += 1) {
    table.setUint32(16 * i, 0x4000_0000 + DATA, true);
    table.setUint32(16 * i + 8, 1, true);
    table.setUint16(16 * i + 12, Next | Write, true);
    table.setUint16(16 * i + 14, (i + 1) % 1024, true);
  }
  guest.write(DATA, new Uint8Array(table.buffer));
  const entry = { at: DATA, length: 1024 * 16 };
  for (let i = 0; i < 256; i += 1) {
    guest.descriptor(i, { ...entry, flags: Indirect | (i < 255 ? Next : 0), third: i + 1 });
  }
  guest.u16(DRIVER + 2, 1);
  assert.equal(guest.look(), 1);
  const [seen] = guest.of("chain-available");
  assert.deepEqual([seen?.descriptors, seen?.failed], [1024, true]);
  // Each head alone: the ring's chains may have 262,144 buffers together, of which half is kept.
  for (let i = 0; i < 256; i += 1) {
    guest.descriptor(i, { ...entry, flags: Indirect });
    guest.u16(DRIVER + 4 + 2 * i, i);
  }
  guest.u16(DRIVER + 2, 257);
  assert.equal(guest.look(), 256);
  assert.equal(guest.of("chain-available").length, 257);
});

test("the buffers of a ring that are kept are bounded", () => {
  const events: RingEvent[] = [];
  const record = new RingRecord({
    session: 0,
    ring: 0,
    device: undefined,
    features: 0n,
    view: new GuestView(),
    space: "guest",
    report: (event) => events.push(event),
  });
  const replies = Array.from({ length: 1024 }, () => ({ address: 0, length: 1 }));
  const request = new Uint8Array();
  const contents = { descriptors: 1024, readable: 0, writable: 1024, replies, request };
  for (let head = 0; head < 1000; head += 1) {
    record.available({ head, slots: 1, contents, seenUs: 0, beforeUs: 0 });
  }
  assert.equal(record.outstanding.segments, 131_072);
  for (let head = 0; head < 1000; head += 1) {
    record.used(record.outstanding.take(head), 0, 1, 0);
  }
  assert.deepEqual([record.outstanding.segments, events.length], [0, 2000]);
});

test("a kit that fails at a chain does not end the looks", () => {
  const events: RingEvent[] = [];
  const device = {
    ...blockKind,
    describeChain: () => {
      throw new RangeError("out of range");
    },
  };
  const record = new RingRecord({
    session: 0,
    ring: 0,
    device,
    features: 0n,
    view: new GuestView(),
    space: "guest",
    report: (event) => events.push(event),
  });
  const request = new Uint8Array();
  const contents = { descriptors: 1, readable: 1, writable: 0, replies: [], request };
  record.available({ head: 0, slots: 1, contents, seenUs: 0, beforeUs: 0 });
  const [event] = events;
  assert.equal(event?.type, "chain-available");
  assert.ok(event.text.includes("out of range") && event.failed);
});

test("translations are bounded, however a front-end cuts them", () => {
  const table = new IovaTable();
  const message = { permissions: 3, userAddress: 0x1000n };
  table.apply({ ...message, iova: 0n, size: 2n ** 40n, type: IotlbType.Update });
  for (let i = 1n; i <= 70_000n; i += 1n) {
    table.apply({ ...message, iova: 16n * i, size: 1n, type: IotlbType.Invalidate });
  }
  assert.equal(table.size, 65_536);
  assert.equal(table.find(16 * 70_000), undefined);
  assert.equal(table.find(16 * 70_000 + 1)?.end, 2 ** 40);
});
