import assert from "node:assert/strict";
import { test } from "node:test";
import { needsGuest } from "../programs/support/index.ts";
import { killUnderGuest } from "../programs/support/killing-guest.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const late = ["--fault", "late-completions=200"];

for (const packed of ["off", "on"]) {
  test(
    `a Linux guest in QEMU writes on while its disk's back-end is killed 20 times: packed=${packed}`,
    { skip: needsGuest() },
    async (t) => {
      const replays = await killUnderGuest(t, 20, `num-queues=1,packed=${packed}`, late);
      assert.ok(replays > 0, "no kill came in the middle of a request");
    },
  );
}

test("the same with two queues in workers", { skip: needsGuest() }, async (t) => {
  const workers = ["--queues", "2", "--workers"];
  await killUnderGuest(t, 20, "num-queues=2,packed=on", workers);
});
