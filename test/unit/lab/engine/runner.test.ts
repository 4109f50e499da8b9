import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Adapter,
  type Case,
  CaseFailure,
  CaseSkip,
  type EarlyStop,
  runCases,
} from "../../../../src/lab/engine/index.ts";
import type { Strength } from "../../../../src/lab/results/index.ts";

interface Notes {
  readonly warnings: CaseFailure[];
  readonly values: string[];
}

const adapter: Adapter<Notes> = {
  open: () => ({ warnings: [], values: [] }),
  close: async (context, ended) => ({ ...context, ended }),
};

function caseOf(run: Case<Notes>["run"], strength?: Strength): Case<Notes> {
  return { id: "mine/1", title: "it holds", ...(strength && { strength }), run };
}

const fails = (): never => {
  throw new CaseFailure("the value", { expected: "1", actual: "2" });
};

test("what ends a case and its strength decide the verdict", async () => {
  const cases = [
    caseOf(() => undefined),
    caseOf(fails),
    caseOf(fails, "SHOULD"),
    caseOf(fails, "ROBUSTNESS"),
    caseOf(({ values }) => void values.push("7"), "-"),
    caseOf(({ warnings }) => void warnings.push(new CaseFailure("odd"))),
    caseOf(() => {
      throw new CaseSkip("not here");
    }),
    caseOf(() => {
      throw new TypeError("a bug");
    }),
  ];
  const results = await runCases(cases, adapter);
  assert.deepEqual(
    results.map(({ verdict, reason }) => [verdict, reason?.split("\n")[0]]),
    [
      ["PASS", undefined],
      ["FAIL", "the value: expected 1, got 2"],
      ["WARN", "the value: expected 1, got 2"],
      ["FAIL", "the value: expected 1, got 2"],
      ["INFO", "7"],
      ["WARN", "odd"],
      ["SKIP", "not here"],
      ["ERROR", "TypeError: a bug"],
    ],
  );
});

test("the evidence of the adapter overrides what the case threw", async () => {
  const death = new CaseFailure("the target's process crashed");
  const [result] = await runCases([caseOf(() => undefined)], {
    ...adapter,
    close: async (context) => ({ ...context, ended: death, exchange: ["a line"], output: "text" }),
  });
  assert.equal(result?.verdict, "FAIL");
  assert.deepEqual([result.exchange, result.output], [["a line"], "text"]);
});

test("a case that exceeds its limit is not judged, and the next one runs", async () => {
  const never = caseOf(async () => new Promise(() => undefined));
  const limited = { ...adapter, limitMs: () => 10 };
  const results = await runCases([never, caseOf(() => undefined)], limited);
  assert.deepEqual(
    results.map(({ verdict, reason }) => [verdict, reason]),
    [
      ["SKIP", "not judged: mine/1 did not end within 10 ms; give it more time"],
      ["PASS", undefined],
    ],
  );
});

test("a missing need skips the case without a context", async () => {
  const open = (): never => assert.fail("opened");
  const [result] = await runCases([caseOf(fails)], { ...adapter, open, missing: () => "no disk" });
  assert.deepEqual([result?.verdict, result?.reason], ["SKIP", "no disk"]);
});

test("a lost target skips the rest, which is reported once", async () => {
  const stops: EarlyStop[] = [];
  let reported = 0;
  const lost = async (): Promise<{ reason: string; because: string }> => ({
    reason: "it does not answer",
    because: "the target is gone",
  });
  const onResult = (): void => void (reported += 1);
  const results = await runCases(
    [caseOf(fails), caseOf(fails)],
    { ...adapter, lost },
    { repeat: 2, onResult, onStop: (stop) => stops.push(stop) },
  );
  assert.deepEqual(
    results.map(({ verdict }) => verdict),
    ["FAIL", "SKIP", "SKIP", "SKIP"],
  );
  assert.equal(reported, 1);
  assert.deepEqual(
    stops.map(({ reason, left }) => [reason, left.length]),
    [["it does not answer", 3]],
  );
});

test("an abort gives up the running case without a result", async () => {
  const abort = new AbortController();
  const aborts = caseOf(() => abort.abort(new Error("interrupted")));
  const { signal } = abort;
  assert.deepEqual(await runCases([aborts, aborts], adapter, { signal }), []);
});
