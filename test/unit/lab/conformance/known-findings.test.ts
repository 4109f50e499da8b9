import assert from "node:assert/strict";
import { test } from "node:test";
import {
  knownFindings,
  parseBaseline,
  type Verdict,
} from "../../../../src/lab/conformance/index.ts";

const baseline = parseBaseline(
  JSON.stringify({
    target: { program: "daemon", version: "7.2" },
    expectations: [
      { check: "header/4", verdict: "WARN", reason: "it echoes need_reply" },
      { check: "fuzz/*", verdict: "FAIL", reason: "it aborts" },
      { check: "stop/3", verdict: "FAIL", reason: "a race", sometimes: true },
    ],
  }),
  "b.json",
);

test("findings are known, new, or not found any more; each check counts once", () => {
  const results: { id: string; verdict: Verdict }[] = [
    { id: "header/1", verdict: "PASS" },
    { id: "header/4", verdict: "WARN" },
    { id: "header/4", verdict: "WARN" },
    { id: "fuzz/1", verdict: "FAIL" },
    { id: "fuzz/2", verdict: "PASS" },
    { id: "stop/3", verdict: "PASS" },
    { id: "mem/1", verdict: "FAIL" },
    { id: "mem/2", verdict: "ERROR" },
    { id: "mem/3", verdict: "SKIP" },
  ];
  assert.deepEqual(knownFindings(results, baseline, undefined), {
    known: 2,
    unknown: ["mem/1", "mem/2"],
    missed: ["fuzz/2"],
  });
});

test("a baseline's target needs a program and a version", () => {
  assert.deepEqual(baseline.target, { program: "daemon", version: "7.2" });
  for (const target of [null, {}, { program: "daemon" }, { program: "daemon", version: 7 }]) {
    const text = JSON.stringify({ target, expectations: [] });
    assert.throws(() => parseBaseline(text, "b.json"), /b\.json: "target" must have "program"/);
  }
});
