/**
 * Verdicts are the same in every run, however fast the machine is and however long the suite waits.
 * `VHOST_USER_TARGETS=dpdk,virtiofsd` selects targets by words of their names.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { differing, lineOf, racing, runsOf, type Run, waiting } from "./support/verdict-runs.ts";
import { selectedTargets } from "./support/verdict-targets.ts";

const run = (factor: number, verdict: "PASS" | "FAIL" | "WARN", durationMs = 1): Run => ({
  factor,
  outcomes: [
    { id: "a/1", verdict: "PASS", durationMs: 1 },
    { id: "a/2", verdict, durationMs },
  ],
});

test("a verdict that differs is found", () => {
  const found = differing([run(1, "PASS"), run(5, "FAIL")]);
  assert.deepEqual([...found.values()].map(lineOf), ["a/2: PASS FAIL (PASS ; FAIL )"]);
  assert.equal(differing([run(1, "WARN"), run(1, "WARN")]).size, 0);
});

test("a check that takes longer with longer waits is found, whatever its verdict", () => {
  const runs = [run(1, "PASS", 300), run(1, "PASS", 220), run(5, "PASS", 1100)];
  assert.deepEqual(waiting(runs), ["a/2"]);
  assert.deepEqual(waiting([run(1, "PASS", 20), run(5, "PASS", 100)]), []);
});

test("targets are selected by words of their names", () => {
  assert.deepEqual(
    selectedTargets("DPDK, virtiofsd").map(([name]) => name),
    ["DPDK's net_vhost", "virtiofsd"],
  );
  assert.ok(selectedTargets().length > 0);
});

describe("the verdicts on a target are the same in every run", () => {
  for (const [name, judged] of selectedTargets()) {
    test(name, { skip: judged.skip }, async (t) => {
      const mayDiffer = racing(judged);
      const found = [...differing(await runsOf(t, judged))];
      const lines = found.map(([, outcomes]) => lineOf(outcomes));
      for (const line of lines) t.diagnostic(line);
      assert.deepEqual(
        lines.filter((_, i) => !mayDiffer.has(found[i]?.[0] ?? "")),
        [],
      );
    });
  }
});
