import assert from "node:assert/strict";
import { test } from "node:test";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { DATA, WatchedGuest } from "./support/guest.ts";

guardLeaks();

const { Next, Write, Available, Used } = DescriptorFlag;
const SIZE = 8;

/** Plays driver and device of a packed ring. */
class Packed {
  readonly guest: WatchedGuest;
  #next = 0;
  #wrap = true;
  #used = 0;
  #usedWrap = true;

  constructor(guest: WatchedGuest) {
    this.guest = guest;
  }

  /** Makes a write of one sector available: header, data, status. */
  write(id: number, sector: number): void {
    const header = DATA + 0x1000 * id;
    this.guest.header(header, 1, sector);
    this.#put({ at: header, length: 16, flags: Next }, id);
    this.#put({ at: DATA, length: 512, flags: Next }, id);
    this.#put({ at: header + 16, length: 1, flags: Write }, id);
  }

  use(id: number, slots = 3): void {
    const flags = (this.#usedWrap ? Available | Used : 0) | Write;
    this.guest.u32(0x1000 + 16 * this.#used + 8, 1);
    this.guest.u16(0x1000 + 16 * this.#used + 12, id);
    this.guest.u16(0x1000 + 16 * this.#used + 14, flags);
    this.#used += slots;
    if (this.#used >= SIZE) [this.#used, this.#usedWrap] = [this.#used - SIZE, !this.#usedWrap];
  }

  #put(entry: { at: number; length: number; flags: number }, third: number): void {
    const flags = entry.flags | (this.#wrap ? Available : Used);
    this.guest.descriptor(this.#next, { ...entry, flags, third }, true);
    this.#next += 1;
    if (this.#next === SIZE) [this.#next, this.#wrap] = [0, !this.#wrap];
  }
}

test("chains of a packed ring are followed over many rounds, out of order too", (t) => {
  const guest = new WatchedGuest(t, SIZE, { packed: true });
  const ring = new Packed(guest);
  for (let i = 0; i < 50; i += 1) {
    ring.write(2, 2 * i);
    ring.write(5, 2 * i + 1);
    assert.equal(guest.look(), 2);
    ring.use(5);
    ring.use(2);
    assert.equal(guest.look(), 2);
  }
  const texts = guest.of("chain-used").map(({ text }) => text);
  assert.equal(texts.length, 100);
  assert.deepEqual(texts.slice(-2), [
    "WRITE sector 99, 1 sector: OK",
    "WRITE sector 98, 1 sector: OK",
  ]);
  assert.deepEqual(guest.of("chains-missed"), []);
  assert.equal(guest.of("chain-used").at(-1)?.depth, 0);
});

test("a chain that was used before it was seen is counted and not described", (t) => {
  const guest = new WatchedGuest(t, SIZE, { packed: true });
  const ring = new Packed(guest);
  ring.write(0, 1);
  guest.look();
  ring.use(0);
  ring.write(1, 2);
  ring.use(1);
  ring.write(2, 3);
  assert.equal(guest.look(), 4);
  assert.deepEqual(
    guest.of("chain-available").map(({ text }) => text),
    ["WRITE sector 1, 1 sector", "WRITE sector 3, 1 sector"],
  );
  assert.deepEqual(
    guest.of("chains-missed").map(({ chains }) => chains),
    [1],
  );
  ring.use(2);
  guest.look();
  guest.rings.close(1000);
  assert.deepEqual(guest.of("ring-view").at(-1)?.totals, { available: 3, used: 3 });
});
