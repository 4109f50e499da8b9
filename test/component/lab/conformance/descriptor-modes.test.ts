/** Whatever descriptor of the front-end a back-end changes the mode of, fd/11 names it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { constants } from "node:fs";
import { setNonBlocking, statusFlags } from "../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import { checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, judge, PARALLEL } from "./support/judge.ts";
import { throughHandler } from "./support/mutant.ts";

guardLeaksOfFile();

const [check] = checks.filter(({ id }) => id === "fd/11");
const FILES: readonly (readonly [request: FrontendRequest, name: string])[] = [
  [FrontendRequest.SetVringKick, "kick"],
  [FrontendRequest.SetVringCall, "call"],
  [FrontendRequest.SetVringErr, "error"],
  [FrontendRequest.SetMemTable, "memory"],
  [FrontendRequest.SetLogBase, "the log"],
  [FrontendRequest.SetInflightFd, "the in-flight region"],
];

/** Gives each descriptor of a request the other mode, or this one. */
const changing = (request: FrontendRequest, mode?: boolean) =>
  throughHandler("changes modes", () => ({
    [request]: (plain) => (payload, incoming) => {
      for (const { fd } of incoming.fds) {
        setNonBlocking(fd, mode ?? (statusFlags(fd) & constants.O_NONBLOCK) === 0);
      }
      return plain(payload, incoming);
    },
  }));

describe("fd/11 names the descriptor whose mode was changed", { concurrency: PARALLEL }, () => {
  for (const [request, name] of FILES) {
    for (const [mode, change] of [
      [true, "set"],
      [false, "cleared"],
    ] as const) {
      test(`${name}: O_NONBLOCK ${change}`, async () => {
        assert.ok(check);
        const result = await judge(check, "block", changing(request, mode));
        assert.equal(result.verdict, "WARN", describeResult(result));
        assert.match(result.reason ?? "", new RegExp(`got ${name}: O_NONBLOCK was ${change}`));
      });
    }
  }
});

test("what a back-end does to its end of the back-end channel is recorded, not judged", async () => {
  assert.ok(check);
  const result = await judge(check, "block", changing(FrontendRequest.SetBackendReqFd));
  assert.equal(result.verdict, "PASS", describeResult(result));
  assert.match(result.values.join(), /the back-end channel: O_NONBLOCK was set/);
});
