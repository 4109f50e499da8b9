import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { killUnderGuest } from "./support/killing-guest.ts";
import { needsGuest } from "./support/index.ts";

guardLeaks();

test(
  "a Linux guest in QEMU writes on while its disk's back-end is killed 5 times",
  { skip: needsGuest() },
  async (t) => {
    const late = ["--fault", "late-completions=200"];
    const replays = await killUnderGuest(t, 5, "num-queues=1,packed=on", late);
    assert.ok(replays > 0, "no kill came in the middle of a request");
  },
);
