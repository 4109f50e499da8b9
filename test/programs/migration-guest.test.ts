import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { TimeoutError } from "../../src/core/base/index.ts";
import { blockDeviceArguments, MigratableGuest } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { assertHeard, heardIn } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, needsRoot } from "./support/index.ts";

guardLeaks();

const SIZE = 16 << 20;
/** What the disk writes into a buffer of the guest while it is migrated: 4 MiB from 8 MiB on. */
const HELD = { start: 8 << 20, length: 4 << 20 };
/** The sector by which the guest learns the test's progress. */
const CONTROL = SIZE - 4096;
/** Where the guest writes all the time: 64 KiB blocks. */
const BLOCK = 65_536;
const WRITTEN = { start: 0, blocks: 16 };

/**
 * A shell writes and reads back without its page cache until it is stopped. A dd with a buffer of
 * 4 MiB waits with it at a pipe: in the middle of the migration it fills the buffer again, by the disk
 * alone, no processor having touched it; what is in it is summed up afterwards.
 */
const SCRIPT = `
  control() { dd if=/dev/vda bs=4096 skip=${CONTROL / 4096} count=1 iflag=direct 2>/dev/null | head -c 1; }
  await() { while [ "$(control)" != "$1" ]; do usleep 100000; done; }
  (
    i=0; bad=0
    while [ ! -e /tmp/stop ]; do
      i=$((i + 1))
      yes "block $i" | head -c ${BLOCK} > /tmp/block
      at=$((i % ${WRITTEN.blocks}))
      dd if=/tmp/block of=/dev/vda bs=${BLOCK} seek=$at oflag=direct conv=notrunc 2>/dev/null || bad=$((bad + 1))
      dd if=/dev/vda of=/tmp/back bs=${BLOCK} skip=$at count=1 iflag=direct 2>/dev/null || bad=$((bad + 1))
      cmp /tmp/block /tmp/back || bad=$((bad + 1))
      echo "written $i bad $bad"
    done
    echo "last $i bad $bad"
  ) &
  mkfifo /tmp/pipe
  dd if=/dev/vda bs=${HELD.length} skip=${HELD.start / HELD.length - 1} count=2 iflag=direct 2>/dev/null > /tmp/pipe &
  exec 8</tmp/pipe
  await 1
  dd bs=65536 count=${HELD.length / 65536} iflag=fullblock <&8 2>/dev/null > /dev/null
  dd bs=65536 count=1 iflag=fullblock <&8 2>/dev/null > /tmp/begin
  echo held
  await 2
  cat /tmp/begin - <&8 | sha256sum
  touch /tmp/stop
  wait
`;

/** Too little to converge while the guest writes; then enough. */
const SLOW = { "max-bandwidth": 16 << 20, "downtime-limit": 1 };
const FAST = { "max-bandwidth": 2 ** 30, "downtime-limit": 5000 };

/** What the guest prints where it was moved to. */
const GOES_ON = /(?:written \d+ bad \d+\s+){20}/;

interface Outcome {
  /** Of the buffer that was filled during the migration. */
  readonly heldSum: string;
  /** Blocks written before the hand-over, and in all. */
  readonly before: number;
  readonly blocks: number;
  readonly bad: number;
  readonly downtimeMs: number;
}

/** Migrates a guest that writes all the time from one `serve block` to another, on one image. */
async function migrate(t: TestContext, space: Workspace, ...source: string[]): Promise<Outcome> {
  const image = space.path("disk.img");
  const from = await space.serve(["--image", image, ...source], "source.sock");
  const to = await space.serve(["--image", image], "destination.sock");
  const began = performance.now();
  await using guest = await MigratableGuest.boot({
    script: SCRIPT,
    modules: ["virtio_pci", "virtio_blk"],
    deviceArguments: blockDeviceArguments(from.socket, "num-queues=1"),
  });
  await guest.printed(/written 3 bad/);
  await using moved = await guest.destination(blockDeviceArguments(to.socket, "num-queues=1"));
  await guest.migrateTo(moved, SLOW);
  // All of the memory has gone over once: what is read from now on is known from the log alone.
  await guest.migration(({ ram }) => (ram?.["dirty-sync-count"] ?? 0) >= 2);
  signalGuest(image, "1");
  await guest.printed(/held/);
  await guest.setParameters(FAST);
  const { downtime = 0 } = await guest.migration(({ status }) => status === "completed");
  const before = lastOf(guest.machine.output, /written (\d+) bad/g);
  await guest[Symbol.asyncDispose]();
  await moved.printed(GOES_ON);
  signalGuest(image, "2");
  const [, heldSum = ""] = await moved.printed(/([0-9a-f]{64})/);
  const [, blocks, bad] = await moved.printed(/last (\d+) bad (\d+)/);
  await moved.machine.exited;
  t.diagnostic(
    `guest booted, migrated (downtime ${downtime} ms) and ended in ${Math.round(performance.now() - began)} ms, ` +
      `${before} blocks before and ${Number(blocks) - before} after the hand-over`,
  );
  if (source.includes("-v"))
    assertHeard("back-end", "QEMU 7.2, migrating", heardIn(from.server.stderr));
  for (const { server } of [from, to]) assert.equal((await server.stop("SIGTERM")).code, 0);
  return { heldSum, before, blocks: Number(blocks), bad: Number(bad), downtimeMs: downtime };
}

/** Writes into the sector that the guest looks at. */
function signalGuest(image: string, step: string): void {
  const fd = openSync(image, "r+");
  writeSync(fd, step, CONTROL);
  closeSync(fd);
}

function lastOf(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

function sumOfHeld(content: Uint8Array): string {
  const { start, length } = HELD;
  return createHash("sha256")
    .update(content.subarray(start, start + length))
    .digest("hex");
}

test(
  "a guest that writes all the time is migrated between two back-ends on one image",
  { skip: needsGuest() },
  async (t) => {
    const space = new Workspace(t);
    const content = randomBytes(SIZE);
    const image = space.file("disk.img", content);
    const { heldSum, before, blocks, bad } = await migrate(t, space, "-v");
    assert.equal(bad, 0);
    assert.ok(blocks > before, "the guest did not go on");
    assert.equal(heldSum, sumOfHeld(content));
    const after = readFileSync(image);
    for (let i = Math.max(1, blocks - WRITTEN.blocks + 1); i <= blocks; i += 1) {
      const at = (i % WRITTEN.blocks) * BLOCK;
      const line = `block ${i}\n`;
      const expected = line.repeat(Math.ceil(BLOCK / line.length)).slice(0, BLOCK);
      assert.equal(after.toString("latin1", at, at + BLOCK), expected, `block ${i}`);
    }
    assert.ok(
      after
        .subarray(BLOCK * WRITTEN.blocks, CONTROL)
        .equals(content.subarray(BLOCK * WRITTEN.blocks, CONTROL)),
    );
  },
);

test(
  "a guest goes on at the destination before its memory has arrived (postcopy)",
  { skip: needsGuest() || needsRoot() },
  async (t) => {
    const space = new Workspace(t);
    const content = randomBytes(SIZE);
    const image = space.file("disk.img", content);
    const also = ["--image", image, "--enable", "PAGEFAULT", "-v"];
    const from = await space.serve(also, "source.sock");
    const to = await space.serve(also, "destination.sock");
    await using guest = await MigratableGuest.boot({
      script: SCRIPT,
      modules: ["virtio_pci", "virtio_blk"],
      deviceArguments: blockDeviceArguments(from.socket, "num-queues=1"),
    });
    await guest.printed(/written 3 bad/);
    await using moved = await guest.destination(blockDeviceArguments(to.socket, "num-queues=1"));
    await guest.migrateTo(moved, SLOW, true);
    await guest.migration(({ status }) => status === "active");
    await guest.startPostcopy();
    const { downtime } = await guest.migration(({ status }) => status === "completed");
    const before = lastOf(guest.machine.output, /written (\d+) bad/g);
    await moved.printed(GOES_ON);
    signalGuest(image, "1");
    await moved.printed(/held/);
    signalGuest(image, "2");
    const [, heldSum = ""] = await moved.printed(/([0-9a-f]{64})/);
    const [, blocks, bad] = await moved.printed(/last (\d+) bad (\d+)/);
    assert.equal(Number(bad), 0);
    assert.ok(Number(blocks) > before);
    assert.equal(heldSum, sumOfHeld(content));
    await moved.machine.exited;
    const { stderr } = await to.server.stop("SIGTERM");
    assertHeard("back-end", "QEMU 7.2, migrating post-copy", heardIn(stderr));
    t.diagnostic(`downtime ${downtime} ms`);
  },
);

test(
  "without the log of the data the migrated guest's memory is not what it read",
  { skip: needsGuest() },
  async (t) => {
    const space = new Workspace(t);
    const content = randomBytes(SIZE);
    space.file("disk.img", content);
    const outcome = await migrate(t, space, "--fault", "log-rings-only").catch((error: unknown) => {
      // A guest that misses some of its memory may not come as far as to show it.
      if (error instanceof TimeoutError && error.message.includes(String(GOES_ON)))
        return undefined;
      throw error;
    });
    assert.notEqual(outcome?.heldSum, sumOfHeld(content));
  },
);
