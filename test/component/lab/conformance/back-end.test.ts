/** One check alone, on our back-ends and on its mutant: `--test-name-pattern 'mem/3 '`. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Check, checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, deviceOf, judge, PARALLEL, runsAlone } from "./support/judge.ts";
import type { Base } from "./support/mutant.ts";
import { mutants } from "./support/mutants/index.ts";

guardLeaksOfFile();

const bases: readonly Base[] = [
  "block",
  "net",
  "fs",
  "rng",
  "read-only",
  "wce",
  "shm",
  "iommu",
  "file",
  "program",
];

/** Checks that take long, or judge the process or the socket, whatever the device. */
const isOfNoDevice = (check: Check): boolean =>
  runsAlone(check) || /^(fuzz\/\d+|split\/3|packed\/[28]|event\/[57]|stop\/[36])$/.test(check.id);

/** What our back-ends do not give a check to judge: chan/4 needs messages of the back-end. */
const NOT_JUDGED = ["chan/4"];

const isMadeOf = (base: Base, { id }: Check): boolean => (mutants[id]?.base ?? "block") === base;

/** A base that exists for the sake of single checks is one of block, net, fs or rng besides. */
const asks = (base: Base, check: Check): boolean =>
  base === "block" ||
  isMadeOf(base, check) ||
  (deviceOf(base).name === base && !isOfNoDevice(check));

async function passes(check: Check, base: Base): Promise<void> {
  const result = await judge(check, base);
  const isFine = ["PASS", "INFO", "SKIP"].includes(result.verdict);
  // Where its mutant is made of this base, a skip would prove nothing.
  const provesNothing =
    isMadeOf(base, check) && result.verdict === "SKIP" && !NOT_JUDGED.includes(check.id);
  assert.ok(isFine && !provesNothing, describeResult(result));
}

for (const base of bases) {
  const asked = checks.filter((check) => asks(base, check));
  for (const alone of [false, true]) {
    const name = `our ${base} back-end passes every check${alone ? " that runs alone" : ""}`;
    describe(name, { concurrency: alone ? 1 : PARALLEL }, () => {
      for (const check of asked.filter((each) => runsAlone(each) === alone)) {
        test(`${check.id} ${check.title}`, async () => passes(check, base));
      }
    });
  }
}
