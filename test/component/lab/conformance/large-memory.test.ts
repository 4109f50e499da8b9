/** A target that allocates what it maps, as a program that locks its memory does. */
import assert from "node:assert/strict";
import { fstatSync, writeSync } from "node:fs";
import { test } from "node:test";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import { checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { describeResult, judge } from "./support/judge.ts";
import { throughHandler } from "./support/mutant.ts";

guardLeaks();

const PAGE = 4096;

test("a target that allocates all shared memory is not given 1 TiB", async () => {
  const check = checks.find(({ id }) => id === "mem/27");
  assert.ok(check);
  let largest = 0;
  const locking = throughHandler("touches every page of its memory", () => ({
    [FrontendRequest.SetMemTable]: (plain) => async (payload, incoming) => {
      for (const { fd } of incoming.fds) {
        const { size } = fstatSync(fd);
        largest = Math.max(largest, size);
        for (let at = 0; at < size; at += PAGE) writeSync(fd, new Uint8Array(1), 0, 1, at);
      }
      return plain(payload, incoming);
    },
  }));
  const result = await judge(check, "block", locking);
  assert.equal(result.verdict, "INFO", describeResult(result));
  assert.match(result.reason ?? "", /of 64 MiB are allocated .* 1 TiB is not shared/);
  assert.equal(largest, 64 << 20);
});
