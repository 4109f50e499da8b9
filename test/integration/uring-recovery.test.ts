import { test } from "node:test";
import { fullCount } from "../support/full-count.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { uringSkip } from "../support/uring.ts";
import { killUnderLoad } from "./support/killing.ts";

guardLeaks();

const KILLS = fullCount(200, 5);
const skip = uringSkip();

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";
  for (const place of [["--workers"], []]) {
    const where = place.length === 0 ? "on the event loop" : "in a worker";
    const title = `kill -9 with requests in the kernel, ${where}, ${KILLS} times: ${format} ring`;
    test(title, { skip }, async (t) => {
      await killUnderLoad(t, {
        kills: KILLS,
        packed,
        serve: ["--engine", "uring", "--direct", ...place],
      });
    });
  }
}
