import assert from "node:assert/strict";
import { test } from "node:test";
import { createReport, type GroupResult } from "../../../../src/lab/results/index.ts";

const results: GroupResult["results"] = [
  { title: "One", verdict: "pass", durationMs: 1, notes: ["seen"] },
  { title: "Two", verdict: "fail", reason: "why", durationMs: 2, notes: [] },
  { title: "Three", verdict: "skip", reason: "no program", durationMs: 3, notes: [] },
  { title: "Four", verdict: "pass", durationMs: 4, notes: [] },
];

test("a report sums its groups up, and is JSON as it stands", () => {
  const groups = [
    { name: "basic", title: "basic tests", durationMs: 10, results },
    { name: "perf", title: "performance tests", durationMs: 5, results: results.slice(0, 1) },
  ];
  const report = createReport("1.2.3", new Date("2026-03-04T05:06:07.890Z"), 15.4, groups);
  const document: unknown = JSON.parse(JSON.stringify(report));
  assert.deepEqual(document, {
    schemaVersion: 1,
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
  const { passed, failed, skipped, groups } = createReport("1", new Date(0), 0, []);
  assert.deepEqual(
    { passed, failed, skipped, groups },
    { passed: 0, failed: 0, skipped: 0, groups: [] },
  );
});
