import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { guardLeaks } from "../../../support/leak-guard.ts";

guardLeaks();

const bench = fileURLToPath(new URL("../../../../bench/ring-garbage.js", import.meta.url));

/** The bench's own clock and reading of the heap take up to 8; one number above 2^31 that is handed on as such takes 16. */
const LIMIT_BYTES = 12;

/**
 * While both sides look all the time: what compiling leaves, up to half a megabyte in all however
 * many requests there are. A single number that is allocated takes 16 bytes a request.
 */
const POLLING_LIMIT_BYTES = 6;

const REQUESTS = 200_000;

test("a request through both halves of a ring allocates nothing", (t) => {
  const flags = ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256"];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...flags, bench, String(REQUESTS)],
    {
      encoding: "utf8",
    },
  );
  assert.equal(status, 0, stderr);
  const bytes = [...stdout.matchAll(/([\d.]+) bytes of heap\/request/g)].map((match) =>
    Number(match[1]),
  );
  t.diagnostic(stdout);
  assert.equal(bytes.length, 26, stdout);
  assert.ok(Math.max(...bytes) <= LIMIT_BYTES, stdout);
  const growth = [...stdout.matchAll(/grew by (-?\d+) bytes/g)].map((match) => Number(match[1]));
  assert.equal(growth.length, 52, stdout);
  assert.ok(Math.max(...growth) <= POLLING_LIMIT_BYTES * REQUESTS, stdout);
});
