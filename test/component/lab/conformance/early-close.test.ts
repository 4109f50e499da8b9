/** What a suite that closes early does to a program that neither ignores SIGPIPE nor avoids it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Check, checks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, judge, PARALLEL, runsAlone } from "./support/judge.ts";
import type { Mutant } from "./support/mutant.ts";
import { diesOfSigpipe } from "./support/mutants/conn.ts";
import { mutants } from "./support/mutants/index.ts";

guardLeaksOfFile();

/** An answer takes longer than the suite needs to close. */
const SLOW_MS = 5;

/** A mutant that dies by SIGPIPE as well. */
function dying(mutant: Mutant): Mutant {
  const dies = diesOfSigpipe(SLOW_MS);
  return {
    ...mutant,
    apply: (options, world) => {
      const first = dies.apply?.(options, world) ?? options;
      const second = mutant.apply?.(first, world) ?? first;
      const { channel: inner } = first;
      const { channel: outer } = second;
      if (inner === undefined || outer === undefined || inner === outer) return second;
      return { ...second, channel: (channel) => outer(inner(channel)) };
    },
  };
}

/** A check whose finding is a warning, which a crash would turn into a failure. */
const warns = (check: Check): boolean =>
  check.strength === "SHOULD" &&
  !runsAlone(check) &&
  (mutants[check.id]?.base ?? "block") !== "program";

describe(
  "a suite that finds something does not make the target die by SIGPIPE",
  { concurrency: PARALLEL },
  () => {
    for (const check of checks.filter(warns)) {
      test(`${check.id} ${check.title}`, async () => {
        const mutant = mutants[check.id];
        assert.ok(mutant);
        const { base = "block" } = mutant;
        const result = await judge(check, base, dying(mutant));
        assert.doesNotMatch(result.reason ?? "", /SIGPIPE/, describeResult(result));
      });
    }
  },
);
