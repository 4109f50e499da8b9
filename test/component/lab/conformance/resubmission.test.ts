import assert from "node:assert/strict";
import { test } from "node:test";
import { checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { describeResult, judge } from "./support/judge.ts";
import { meddles } from "./support/seen-request.ts";

guardLeaks();

/** Entries of the rings of checks of in-flight tracking, and of no other check. */
const TRACKED_RING = 32;
/** Between the data of two requests: a page, and what surrounds it. */
const STRIDE = 8192;

test("inflight/10 finds a resubmission that leaves the used index as it must be", async () => {
  const check = checks.find(({ id }) => id === "inflight/10");
  assert.ok(check);
  // As a target that executes a request 65,536 times before the suite looks at the ring.
  const seen = new WeakSet<object>();
  const mutant = meddles("writes to the buffers of the last request that was used", {
    arrives: ({ writable: [data] }, _world, entries) => {
      // The first request of a ring is the first one that was not used.
      if (entries !== TRACKED_RING || data === undefined || seen.has(data.buffer)) return;
      seen.add(data.buffer);
      new Uint8Array(data.buffer, data.byteOffset - STRIDE, 1)[0] = 0;
    },
  });
  const result = await judge(check, "block", mutant);
  assert.equal(result.verdict, "FAIL", describeResult(result));
  assert.match(result.reason ?? "", /whose buffers were written to/);
});
