import assert from "node:assert/strict";
import { test } from "node:test";
import { needsProgram } from "../programs/support/index.ts";
import { verdictsByContent } from "../programs/support/conform.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

test(
  "every check judges qemu-storage-daemon alike on a disk of holes, of zeroes and of noise",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const { holes, zeroes, noise } = await verdictsByContent(t, { profile: "standard" });
    assert.ok(holes?.includes("clean/1 PASS"), holes?.join("\n"));
    assert.deepEqual([zeroes, noise], [holes, holes]);
  },
);
