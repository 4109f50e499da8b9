import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { killUnderGuest } from "./support/killing-guest.ts";
import { needsGuest } from "./support/index.ts";

guardLeaks();

test(
  "a Linux guest in QEMU writes on while its disk's back-end is killed 5 times",
  { skip: needsGuest() },
  async (t) => {
    await killUnderGuest(t, 5, "num-queues=1,packed=on", ["--fault", "late-completions=20"]);
  },
);
