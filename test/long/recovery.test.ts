import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { killUnderLoad } from "../integration/support/killing.ts";

guardLeaks();

const late = ["--fault", "late-completions=8"];

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";
  test(`the back-end is killed 200 times under load, out of order: ${format} ring`, async (t) => {
    await killUnderLoad(t, { kills: 200, packed, serve: late });
  });
  test(`the back-end is killed 50 times under load, in workers: ${format} ring`, async (t) => {
    await killUnderLoad(t, { kills: 50, packed, serve: ["--workers"], ringMode: "hybrid" });
  });
  test(`the back-end is killed 50 times under a load that polls: ${format} ring`, async (t) => {
    await killUnderLoad(t, { kills: 50, packed, serve: late, ringMode: "poll" });
  });
  test(`the back-end connects, and is killed 30 times: ${format} ring`, async (t) => {
    await killUnderLoad(t, { kills: 30, packed, serve: late, listen: true });
  });
}
