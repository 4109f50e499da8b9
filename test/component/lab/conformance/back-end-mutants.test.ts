/** One check alone: `--test-name-pattern 'mem/3 '`. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CaseResult, type Check, checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, judge, PARALLEL, runsAlone } from "./support/judge.ts";
import { mutants } from "./support/mutants/index.ts";

guardLeaksOfFile();

/** The value that a check recorded; how long something took differs in each run. */
const withoutTimes = ({ reason = "" }: CaseResult): string => reason.replaceAll(/[\d.]+ ms/g, "");

async function isFound(check: Check): Promise<void> {
  const mutant = mutants[check.id];
  assert.ok(mutant);
  const { base = "block" } = mutant;
  const result = await judge(check, base, mutant);
  const found =
    check.strength === "-"
      ? withoutTimes(result) !== withoutTimes(await judge(check, base))
      : result.verdict === "FAIL" || result.verdict === "WARN";
  assert.ok(found, describeResult(result));
}

for (const alone of [false, true]) {
  const name = `every check${alone ? " that runs alone" : ""} finds the fault of its mutant`;
  describe(name, { concurrency: alone ? 1 : PARALLEL }, () => {
    for (const check of checks.filter((each) => runsAlone(each) === alone)) {
      const fault = mutants[check.id]?.fault ?? "lacks a mutant";
      test(`${check.id} ${check.title}: not by a back-end that ${fault}`, async () =>
        isFound(check));
    }
  });
}
