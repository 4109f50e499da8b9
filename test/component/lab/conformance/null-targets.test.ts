/** A target that does nothing passes only what is listed, with the reason why it is earned. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import {
  type Check,
  checks,
  type Facts,
  knownDevice,
  runCheck,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { earnedPasses } from "./support/earned-passes.ts";
import { InProcessTarget } from "./support/in-process-target.ts";
import { describeResult, runsAlone } from "./support/judge.ts";
import { type NullTarget, nullTargets } from "./support/null-targets.ts";

guardLeaksOfFile();

/** Pairs of check and target at once: they wait for what never comes. */
const PARALLEL = 32;
/** These targets answer at once or never; a factor of 1 would have them waited for in vain. */
const FACTOR = 0.1;

const made = checks.filter(
  (check) => !runsAlone(check) && !check.tags?.some((tag) => tag === "long" || tag === "random"),
);

/** What our healthy back-end offers: these targets would not survive a survey. */
async function healthyFacts(): Promise<Facts> {
  const target = new InProcessTarget("block");
  try {
    return await survey(target, timesOf(), () => knownDevice(blockKind));
  } finally {
    await target.close();
  }
}

async function isEarned(check: Check, name: NullTarget, facts: Facts): Promise<void> {
  const target = new InProcessTarget("block", nullTargets[name]);
  try {
    const result = await runCheck(check, { target, facts, times: timesOf(FACTOR), seed: 1 });
    assert.notEqual(result.verdict, "ERROR", describeResult(result));
    if (result.verdict !== "PASS") return;
    const listed = earnedPasses[name].some(({ checks: ids }) => ids.split(" ").includes(check.id));
    assert.ok(listed, `not listed as earned, observed: ${result.observed?.join(", ")}`);
  } finally {
    await target.close();
  }
}

const facts = healthyFacts();

for (const name of Object.keys(nullTargets) as NullTarget[]) {
  describe(`a back-end that ${nullTargets[name].fault}`, { concurrency: PARALLEL }, () => {
    for (const check of made) {
      test(`${check.id} ${check.title}`, async () => isEarned(check, name, await facts));
    }
  });
}

test("what is listed as earned are checks that are made", () => {
  const ids = Object.values(earnedPasses).flatMap((lists) =>
    lists.flatMap(({ checks: list }) => list.split(" ")),
  );
  assert.deepEqual(
    ids.filter((id) => !made.some((check) => check.id === id)),
    [],
  );
});
