/** One check alone, on our client and on its mutant: `--test-name-pattern 'fe/3 '`. */
import { blockKit } from "../../../../src/lab/kits/block/kit.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type FrontendCheck,
  frontendChecks,
  runFrontendCheck,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { type FrontendMutant, InProcessFrontend } from "./support/in-process-frontend.ts";
import { describeResult } from "./support/judge.ts";
import { frontendMutants } from "./support/mutants/fe.ts";

guardLeaksOfFile();

/** Each has connections of its own, and mostly waits. */
const PARALLEL = 8;

async function judges(check: FrontendCheck, mutant?: FrontendMutant): Promise<void> {
  const target = new InProcessFrontend(mutant);
  const times = timesOf(mutant ? 1 : 3);
  const result = await runFrontendCheck(check, { target, kit: blockKit, times });
  const wanted = mutant ? ["FAIL", "WARN"] : ["PASS"];
  assert.ok(wanted.includes(result.verdict), describeResult(result));
}

describe("our client passes every check of a front-end", { concurrency: PARALLEL }, () => {
  for (const check of frontendChecks) {
    test(`${check.id} ${check.title}`, async () => judges(check));
  }
});

describe(
  "every check of a front-end finds the fault of its mutant",
  { concurrency: PARALLEL },
  () => {
    for (const check of frontendChecks) {
      const mutant = frontendMutants[check.id];
      test(`${check.id} ${check.title}: not by a client that ${mutant?.fault}`, async () => {
        assert.ok(mutant);
        await judges(check, mutant);
      });
    }
  },
);
