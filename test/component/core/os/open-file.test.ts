import assert from "node:assert/strict";
import { constants } from "node:fs";
import { test } from "node:test";
import { EventFd, setNonBlocking, statusFlags } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { modeOf } from "../../../support/open-file.ts";

guardLeaks();

test("the mode of an open file is the same for all its descriptors", (t) => {
  const event = EventFd.create();
  t.after(() => event.close());
  const other = event.descriptor.duplicate();
  t.after(() => other.close());
  for (const on of [false, true, true, false]) {
    setNonBlocking(event.descriptor.fd, on);
    const flags = statusFlags(other.fd);
    assert.equal((flags & constants.O_NONBLOCK) !== 0, on);
    assert.equal(flags & ~constants.O_NONBLOCK, constants.O_RDWR);
    // The kernel's list has O_CLOEXEC as well.
    assert.equal(modeOf(other.fd) & constants.O_NONBLOCK, flags & constants.O_NONBLOCK);
  }
});

test("a number that is not a descriptor has no mode", () => {
  assert.throws(() => statusFlags(1_000_000), { code: "EBADF" });
  assert.throws(() => setNonBlocking(1_000_000, true), { code: "EBADF" });
});
