import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd } from "../../../../src/core/os/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { EventProbe } from "../../../../src/lab/rings/event-probe.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { DATA, DEVICE, DRIVER, WatchedGuest } from "./support/guest.ts";

guardLeaks();

const { Next, Write, Indirect } = DescriptorFlag;

/** Plays the driver of a split ring: a read of 8 sectors, whose three descriptors begin at `head`. */
function read(
  guest: WatchedGuest,
  index: number,
  size: number,
  head: number,
  sector: number,
): void {
  const header = DATA + 0x1000 * head;
  guest.header(header, 0, sector);
  guest.descriptor(head, { at: header, length: 16, flags: Next, third: head + 1 });
  guest.descriptor(head + 1, { at: DATA, length: 4096, flags: Next | Write, third: head + 2 });
  guest.descriptor(head + 2, { at: header + 16, length: 1, flags: Write });
  guest.u16(DRIVER + 4 + 2 * (index % size), head);
  guest.u16(DRIVER + 2, index + 1);
}

/** Plays the device. */
function use(
  guest: WatchedGuest,
  index: number,
  size: number,
  head: number,
  written: number,
): void {
  guest.u32(DEVICE + 4 + 8 * (index % size), head);
  guest.u32(DEVICE + 8 + 8 * (index % size), written);
  guest.u16(DEVICE + 2, index + 1);
}

test("a chain is reported when it is available and when it is used, with latency and depth", (t) => {
  const guest = new WatchedGuest(t, 8);
  read(guest, 0, 8, 0, 128);
  assert.equal(guest.look(), 1);
  const [available] = guest.of("chain-available");
  assert.equal(available?.text, "READ sector 128, 8 sectors");
  assert.deepEqual(available.fields, { request: "READ", sector: 128, sectors: 8 });
  assert.deepEqual([available.readable, available.writable, available.depth], [16, 4097, 1]);
  assert.equal(guest.look(), 0);
  guest.write(DATA + 16, Uint8Array.of(1));
  use(guest, 0, 8, 0, 1);
  assert.equal(guest.look(), 1);
  const [used] = guest.of("chain-used");
  assert.equal(used?.text, "READ sector 128, 8 sectors: IOERR");
  assert.deepEqual([used.failed, used.written, used.depth, used.queue], [true, 1, 0, "requestq"]);
  assert.deepEqual([used.latencyUs, used.marginUs], [200, 100]);
});

test("every chain is counted, and those whose descriptors were reused are missed", (t) => {
  const guest = new WatchedGuest(t, 8);
  for (let i = 0; i < 70_000; i += 7) {
    // The same descriptors seven times between two looks: only the last is still there.
    for (let j = i; j < i + 7; j += 1) {
      if (j > i + 4 || j % 1000 === 0) read(guest, j & 0xffff, 8, 3 * (j % 2), j);
      else guest.u16(DRIVER + 4 + 2 * (j % 8), 3 * (j % 2));
      guest.u32(DEVICE + 4 + 8 * (j % 8), 3 * (j % 2));
    }
    guest.u16(DEVICE + 2, (i + 7) & 0xffff);
    assert.equal(guest.look(), 14);
  }
  guest.rings.close(1e9);
  const seen = guest.of("chain-available").length;
  const missed = guest.of("chains-missed").reduce((sum, { chains }) => sum + chains, 0);
  assert.equal(seen + missed, 70_000);
  assert.equal(seen, 20_000);
  const [ended] = guest.of("ring-view").filter(({ state }) => state === "ended");
  assert.deepEqual(ended?.totals, { available: 70_000, used: 70_000 });
  assert.match(guest.of("chains-missed")[0]?.reason ?? "", /reused before they were looked at/);
});

test("a ring that goes round between two looks is counted", (t) => {
  const guest = new WatchedGuest(t, 8);
  guest.u16(DRIVER + 2, 30_000);
  guest.u16(DEVICE + 2, 30_000);
  assert.equal(guest.look(), 60_000);
  guest.rings.close(200);
  assert.deepEqual(guest.of("ring-view").at(-1)?.totals, { available: 30_000, used: 30_000 });
});

test("a budget limits what is described, and the rest is counted", (t) => {
  const guest = new WatchedGuest(t, 64);
  for (let i = 0; i < 16; i += 1) read(guest, i, 64, 3 * i, i);
  guest.look(100, 4);
  assert.deepEqual(
    guest.of("chain-available").map(({ fields }) => fields["sector"]),
    [12, 13, 14, 15],
  );
  assert.deepEqual(
    guest.of("chains-missed").map(({ chains, reason }) => [chains, reason]),
    [[12, "more than 4 between two looks"]],
  );
});

test("an indirect table is followed", (t) => {
  const guest = new WatchedGuest(t, 8);
  read(guest, 0, 8, 0, 5);
  const table = DATA + 0x8000;
  // The descriptors of the read, copied to a table of their own.
  for (const [i, entry] of [
    { at: DATA, length: 16, flags: Next, third: 2 },
    { at: DATA + 16, length: 1, flags: Write, third: 0 },
    { at: DATA + 0x4000, length: 512, flags: Next | Write, third: 1 },
  ].entries()) {
    guest.u32(table + 16 * i, 0x4000_0000 + entry.at);
    guest.u32(table + 16 * i + 8, entry.length);
    guest.u16(table + 16 * i + 12, entry.flags);
    guest.u16(table + 16 * i + 14, entry.third);
  }
  guest.descriptor(7, { at: table, length: 48, flags: Indirect });
  guest.u16(DRIVER + 4, 7);
  guest.look();
  const [chain] = guest.of("chain-available");
  assert.equal(chain?.text, "READ sector 5, 1 sector");
  assert.deepEqual([chain.descriptors, chain.head], [3, 7]);
});

test("in order, one used element covers the chains before it", (t) => {
  const guest = new WatchedGuest(t, 16, { features: VirtioFeature.InOrder });
  for (let i = 0; i < 3; i += 1) read(guest, i, 16, 3 * i + 3, i);
  guest.look();
  use(guest, 2, 16, 9, 4097);
  guest.look();
  const used = guest.of("chain-used").map(({ chain, written }) => [chain, written]);
  assert.deepEqual(used, [
    [0, 4097],
    [1, 4097],
    [2, 4097],
  ]);
});

test("a stall is reported once, with what is known of the kick", (t) => {
  const guest = new WatchedGuest(t, 8);
  const kick = EventFd.create();
  t.after(() => kick.close());
  guest.rings.kick(0, new EventProbe(kick.descriptor.duplicate()));
  read(guest, 0, 8, 0, 1);
  guest.look();
  guest.look(1_200_000);
  guest.stalls();
  guest.stalls();
  const [stall, ...more] = guest.of("ring-stalled");
  assert.deepEqual(more, []);
  assert.deepEqual([stall?.chains, stall?.waitedUs], [1, 1_200_000]);
  assert.equal(
    stall?.reason,
    "no kick waits: it was taken, or never sent; the device has asked for a kick",
  );
  use(guest, 0, 8, 0, 1);
  read(guest, 1, 8, 3, 1);
  guest.look();
  kick.signal();
  guest.look(1_500_000);
  guest.stalls();
  assert.match(guest.of("ring-stalled")[1]?.reason ?? "", /^a kick waits/);
  // The signal is still there for the back-end.
  assert.ok(kick.drain());
});

test("nothing is allocated by reading, and holes read as zeroes", (t) => {
  const guest = new WatchedGuest(t, 8);
  guest.u16(DRIVER + 2, 0);
  const { blocks } = guest;
  for (let i = 0; i < 10; i += 1) guest.look();
  // Descriptors, header and used ring are holes.
  guest.u16(DRIVER + 2, 3);
  guest.look();
  assert.equal(guest.of("chain-available").length + (guest.of("chains-missed")[0]?.chains ?? 0), 3);
  assert.equal(guest.blocks, blocks);
});

test("a truncated region ends the view with its reason, and nothing else", (t) => {
  const guest = new WatchedGuest(t, 8);
  read(guest, 0, 8, 0, 1);
  guest.look();
  guest.truncate(DRIVER + 3);
  assert.equal(guest.look(), 0);
  const [ended] = guest.of("ring-view").filter(({ state }) => state === "ended");
  assert.match(ended?.reason ?? "", /^mem0 was truncated to \d+ bytes$/);
  assert.equal(guest.rings.size, 0);
});

test("a ring that its driver clears has no chains more", (t) => {
  const guest = new WatchedGuest(t, 8);
  for (let i = 0; i < 40_000; i += 8) {
    guest.u16(DRIVER + 2, i + 8);
    guest.u16(DEVICE + 2, i + 8);
    guest.look();
  }
  guest.u16(DRIVER + 2, 0);
  guest.u16(DEVICE + 2, 0);
  guest.rings.close(1e9);
  assert.deepEqual(guest.of("ring-view").at(-1)?.totals, { available: 40_000, used: 40_000 });
});

test("no look while postcopy moves the memory, and what happened is counted after it", async (t) => {
  const guest = new WatchedGuest(t, 8);
  guest.rings.pause("postcopy moves the memory", 1);
  read(guest, 0, 8, 0, 1);
  assert.equal(guest.look(), 0);
  guest.rings.resume(300);
  assert.equal(guest.look(), 1);
  await Promise.resolve();
  assert.deepEqual(
    guest.of("ring-view").map(({ state }) => state),
    ["paused", "followed", "followed"],
  );
});

test("a migration that begins does not count a ring's chains again", (t) => {
  const guest = new WatchedGuest(t, 8);
  for (let index = 0; index < 20; index += 1) {
    read(guest, index, 8, 0, 1);
    use(guest, index, 8, 0, 4097);
    guest.look();
  }
  read(guest, 20, 8, 0, 1);
  guest.look();
  guest.state.negotiation.features |= VirtioFeature.LogAll;
  guest.rings.update(guest.state, 10_000);
  assert.equal(guest.look(), 0);
  use(guest, 20, 8, 0, 4097);
  assert.equal(guest.look(), 1);
  const chains = guest.of("chain-available").length;
  const missed = guest.of("chains-missed").reduce((sum, each) => sum + each.chains, 0);
  assert.deepEqual([chains, missed, guest.of("chain-used").at(-1)?.depth], [21, 0, 0]);
});
