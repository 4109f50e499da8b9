import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { deviceKinds } from "../../../../src/endpoints/devices/registry.ts";
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
