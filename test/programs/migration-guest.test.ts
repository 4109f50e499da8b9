import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Workspace } from "../integration/support/index.ts";
import { assertHeard, heardIn } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, needsRoot } from "./support/index.ts";
import {
  BLOCK,
  bootWritingGuest,
  CONTROL,
  diskAt,
  GOES_ON,
  lastWritten,
  moveByPrecopy,
  signalGuest,
  SIZE,
  SLOW,
  SUM,
  sumOfHeld,
  WRITTEN,
} from "./support/migrating-guest.ts";

guardLeaks();

/** The last blocks that the guest wrote are on the disk, and nothing beside them has changed. */
function expectWritten(image: string, content: Uint8Array, blocks: number): void {
  const after = readFileSync(image);
  for (let i = Math.max(1, blocks - WRITTEN.blocks + 1); i <= blocks; i += 1) {
    const at = (i % WRITTEN.blocks) * BLOCK;
    const line = `block ${i}\n`;
    const expected = line.repeat(Math.ceil(BLOCK / line.length)).slice(0, BLOCK);
    assert.equal(after.toString("latin1", at, at + BLOCK), expected, `block ${i}`);
  }
  const untouched = [BLOCK * WRITTEN.blocks, CONTROL] as const;
  assert.ok(after.subarray(...untouched).equals(content.subarray(...untouched)));
}

test(
  "a guest that writes all the time is moved from one back-end to the next, on one image",
  { skip: needsGuest() },
  async (t) => {
    const skip = needsRoot();
    const space = new Workspace(t);
    const content = randomBytes(SIZE);
    const image = space.file("disk.img", content);
    const also = ["--enable", "PAGEFAULT"];
    const serve = async (name: string, more: readonly string[]) =>
      space.serve(["--image", image, "-v", ...more], name);
    const first = await serve("first.sock", []);
    const second = await serve("second.sock", skip === false ? also : []);
    const third = await serve("third.sock", also);
    await using guest = await bootWritingGuest(first.socket, skip === false ? 2 : 1);
    await using moved = await guest.destination(diskAt(second.socket));

    await t.test("once its memory has gone over", async (own) => {
      const { heldSum, before, downtime } = await moveByPrecopy(guest, moved, image);
      own.diagnostic(`downtime ${downtime} ms, ${before} blocks before`);
      assert.ok(lastWritten(moved) > before, "the guest did not go on");
      assert.equal(heldSum, sumOfHeld(content));
      assertHeard("back-end", "QEMU 7.2, migrating", heardIn(first.server.stderr));
    });

    let at = moved;
    await using last = await moved.destination(diskAt(third.socket));
    await t.test("and before its memory has arrived (postcopy)", { skip }, async (own) => {
      await moved.migrateTo(last, SLOW, true);
      await moved.migration(({ status }) => status === "active");
      await moved.startPostcopy();
      const { downtime } = await moved.migration(({ status }) => status === "completed");
      own.diagnostic(`downtime ${downtime} ms`);
      const before = lastWritten(moved);
      await last.printed(GOES_ON);
      signalGuest(image, 3);
      await last.printed(/held 3/);
      signalGuest(image, 4);
      const [, heldSum = ""] = await last.printed(SUM);
      assert.ok(lastWritten(last) > before);
      assert.equal(heldSum, sumOfHeld(content));
      at = last;
    });

    const [, blocks, bad] = await at.printed(/last (\d+) bad (\d+)/);
    await at.machine.exited;
    assert.equal(Number(bad), 0);
    expectWritten(image, content, Number(blocks));
    for (const { server } of [first, second]) assert.equal((await server.stop("SIGTERM")).code, 0);
    const { stderr } = await third.server.stop("SIGTERM");
    if (skip === false) assertHeard("back-end", "QEMU 7.2, migrating post-copy", heardIn(stderr));
  },
);
