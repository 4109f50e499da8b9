import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestReport, type GroupResult } from "../../../../src/lab/results/index.ts";

const none = { findings: [], exchange: [] };
const results: GroupResult["results"] = [
  { title: "One", verdict: "PASS", durationMs: 1, id: "basic/1", ...none, values: ["seen"] },
  {
    title: "Two",
    verdict: "FAIL",
    reason: "why",
    durationMs: 2,
    id: "basic/2",
    ...none,
    values: [],
  },
  {
    title: "Three",
    verdict: "SKIP",
    reason: "no program",
    durationMs: 3,
    id: "basic/3",
    ...none,
    values: [],
  },
  { title: "Four", verdict: "PASS", durationMs: 4, id: "basic/4", ...none, values: [] },
];

test("a report sums its groups up, and is valid JSON", () => {
  const groups = [
    { name: "basic", title: "basic tests", durationMs: 10, results },
    { name: "perf", title: "performance tests", durationMs: 5, results: results.slice(0, 1) },
  ];
  const report = createTestReport("1.2.3", new Date("2026-03-04T05:06:07.890Z"), 15.4, groups);
  const document: unknown = JSON.parse(JSON.stringify(report));
  assert.deepEqual(document, {
    schemaVersion: 1,
    kind: "test",
    tool: { name: "vhost-user", version: "1.2.3" },
    startedAt: "2026-03-04T05:06:07.890Z",
    durationMs: 15,
    partial: false,
    passed: 3,
    failed: 1,
    skipped: 1,
    groups,
  });
});

test("a report of nothing counts nothing", () => {
  const { passed, failed, skipped, groups } = createTestReport("1", new Date(0), 0, []);
  assert.deepEqual(
    { passed, failed, skipped, groups },
    { passed: 0, failed: 0, skipped: 0, groups: [] },
  );
});
