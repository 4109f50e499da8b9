import assert from "node:assert/strict";
import { test } from "node:test";
import {
  groupHeading,
  type GroupResult,
  type Mark,
  testFailureLines,
  testLines,
  totalsLine,
  type Verdict,
} from "../../../../src/lab/results/index.ts";

const result = {
  id: "basic/1",
  findings: [],
  exchange: [],
  title: "It holds",
  durationMs: 1,
  values: [],
} as const;

function groupOf(...verdicts: readonly Verdict[]): GroupResult {
  const results = verdicts.map((verdict) => ({ ...result, verdict }));
  return { name: "basic", title: "basic tests", durationMs: 1, results };
}

test("a group begins with its title between equals signs", () => {
  assert.equal(groupHeading("vhost-user basic tests"), "=== vhost-user basic tests ===");
});

test("a test that passed is one line", () => {
  assert.deepEqual(testLines({ ...result, verdict: "PASS" }), ["✓ PASS: It holds"]);
});

test("a test that failed says why, and what was seen, indented", () => {
  const lines = testLines({
    ...result,
    verdict: "FAIL",
    reason: "expected 1, got 2\nfor a reason",
    values: ["3 seen"],
  });
  assert.deepEqual(lines, [
    "✗ FAIL: It holds",
    "    expected 1, got 2",
    "    for a reason",
    "    3 seen",
  ]);
});

test("with verbose, a test has its time and all that was observed", () => {
  const observed = { exchange: ["> GET_FEATURES"], output: "started\nlistening\n" };
  const failed = { ...result, ...observed, verdict: "FAIL", reason: "no reply" } as const;
  assert.deepEqual(testLines(failed, { verbose: true }), [
    "✗ FAIL: It holds (1 ms)",
    "    no reply",
    "    > GET_FEATURES",
    "    started",
    "    listening",
  ]);
  assert.deepEqual(testLines(failed), ["✗ FAIL: It holds", "    no reply"]);
});

test("each test that failed is one line, and no other test is", () => {
  const results = (["PASS", "FAIL", "SKIP", "WARN", "ERROR"] as const).map((verdict) => {
    return { ...result, verdict, reason: "one\ntwo" };
  });
  const failed = ["✗ FAIL: It holds: one", "✗ ERROR: It holds: one"];
  assert.deepEqual(testFailureLines(results), failed);
  const warned = testFailureLines(results, "warn");
  assert.deepEqual(warned.length, 3, warned.join());
});

test("only the mark is coloured", () => {
  const mark: Mark = (verdict, text) => `<${verdict}>${text}</>`;
  const [line] = testLines({ ...result, verdict: "SKIP" }, { mark });
  assert.equal(line, "<SKIP>- SKIP</>: It holds");
});

test("the totals count all groups, and name skipped tests only where there are any", () => {
  assert.equal(totalsLine([]), "Total tests: 0, Passed: 0, Failed: 0");
  const two = [groupOf("PASS", "FAIL"), groupOf("PASS", "PASS")];
  assert.equal(totalsLine(two), "Total tests: 4, Passed: 3, Failed: 1");
  assert.equal(
    totalsLine([...two, groupOf("SKIP")]),
    "Total tests: 5, Passed: 3, Failed: 1, Skipped: 1",
  );
});
