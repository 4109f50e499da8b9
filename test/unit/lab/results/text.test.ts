import assert from "node:assert/strict";
import { test } from "node:test";
import {
  groupHeading,
  type GroupResult,
  resultLines,
  totalsLine,
  type Verdict,
} from "../../../../src/lab/results/index.ts";

const result = { title: "It holds", durationMs: 1, notes: [] } as const;

function groupOf(...verdicts: readonly Verdict[]): GroupResult {
  const results = verdicts.map((verdict) => ({ ...result, verdict }));
  return { name: "basic", title: "basic tests", durationMs: 1, results };
}

test("a group begins with its title between equals signs", () => {
  assert.equal(groupHeading("vhost-user basic tests"), "=== vhost-user basic tests ===");
});

test("a test that passed is one line", () => {
  assert.deepEqual(resultLines({ ...result, verdict: "pass" }), ["✓ PASS: It holds"]);
});

test("a test that failed says why, and what was seen, indented", () => {
  const lines = resultLines({
    ...result,
    verdict: "fail",
    reason: "expected 1, got 2\nfor a reason",
    notes: ["3 seen"],
  });
  assert.deepEqual(lines, [
    "✗ FAIL: It holds",
    "    expected 1, got 2",
    "    for a reason",
    "    3 seen",
  ]);
});

test("only the mark is coloured", () => {
  const [line] = resultLines(
    { ...result, verdict: "skip" },
    (verdict, mark) => `<${verdict}>${mark}</>`,
  );
  assert.equal(line, "<skip>- SKIP</>: It holds");
});

test("the totals count all groups, and name skipped tests only where there are any", () => {
  assert.equal(totalsLine([]), "Total tests: 0, Passed: 0, Failed: 0");
  const two = [groupOf("pass", "fail"), groupOf("pass", "pass")];
  assert.equal(totalsLine(two), "Total tests: 4, Passed: 3, Failed: 1");
  assert.equal(
    totalsLine([...two, groupOf("skip")]),
    "Total tests: 5, Passed: 3, Failed: 1, Skipped: 1",
  );
});
