import assert from "node:assert/strict";
import { test } from "node:test";
import type { CaseResult, Verdict } from "../../../../src/lab/conformance/index.ts";
import { Repetitions } from "../../../../src/lab/engine/repetitions.ts";

function result(id: string, verdict: Verdict): CaseResult {
  return {
    id,
    verdict,
    title: "what must hold",
    strength: "MUST",
    section: "Header",
    findings: [],
    values: [],
    durationMs: 1,
    exchange: ["a message"],
    output: "printed",
  };
}

test("of repetitions that pass the first keeps its exchange, of the rest each does", () => {
  const repetitions = new Repetitions();
  const kept = (id: string, verdict: Verdict): number =>
    repetitions.kept(result(id, verdict)).exchange.length;
  assert.equal(kept("header/1", "FAIL"), 1);
  assert.equal(kept("header/1", "PASS"), 1);
  assert.equal(kept("header/2", "PASS"), 1);
  assert.equal(kept("header/1", "PASS"), 0);
  assert.equal(kept("header/1", "WARN"), 1);
  assert.equal(kept("header/1", "FAIL"), 1);
  assert.equal(repetitions.kept(result("header/2", "PASS")).output, undefined);
});
