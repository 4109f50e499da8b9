/**
 * Faults that no check was written for: fixed operators, applied to every request, to rings, and to
 * the fault of every check of a MUST. Prints those that the suite does not find.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Check, checks } from "../../src/lab/conformance/index.ts";
import { judge, runsAlone } from "../component/lab/conformance/support/judge.ts";
import type { Base, Mutant } from "../component/lab/conformance/support/mutant.ts";
import { mutants } from "../component/lab/conformance/support/mutants/index.ts";
import {
  oneInThree,
  requestMutants,
  ringMutants,
} from "../component/lab/conformance/support/operators.ts";
import { survivors, withoutEffect } from "./support/survivors.ts";

/** Trials at once: with more, an effect may come later than a check waits for it. */
const PARALLEL = 4;
/** Runs of the check that was written for a fault, once this strikes now and then. */
const RUNS = 8;

interface Trial {
  readonly name: string;
  readonly mutant: Mutant;
  /** The check for which the fault was written. */
  readonly own?: Check;
  /** The request whose handling is at fault. */
  readonly request?: string;
}

const musts = checks.filter(({ strength }) => strength === "MUST" || strength === undefined);
/** The checks that judge and can run at the same time. */
const together = checks.filter(
  (check) => ["MUST", "SHOULD", undefined].includes(check.strength) && !runsAlone(check),
);

const familyOf = (id: string): string => id.split("/")[0] ?? "";

/** The messages of each check on a healthy back-end, once for each base. */
const healthy = new Map<Base, Promise<ReadonlyMap<Check, string>>>();

async function exchangesOn(base: Base): Promise<ReadonlyMap<Check, string>> {
  let known = healthy.get(base);
  if (known === undefined) {
    known = (async () => {
      const exchanges = new Map<Check, string>();
      for (const check of together) {
        exchanges.set(check, (await judge(check, base)).exchange.join("\n"));
      }
      return exchanges;
    })();
    healthy.set(base, known);
  }
  return known;
}

/** The checks that may find it: its own first, then its family, the shorter ones first. */
async function candidates({ mutant, own, request }: Trial): Promise<readonly Check[]> {
  const exchanges = await exchangesOn(mutant.base ?? "block");
  const lengthOf = (check: Check): number => exchanges.get(check)?.length ?? 0;
  const rank = (check: Check): number =>
    own !== undefined && familyOf(check.id) === familyOf(own.id) ? 0 : 1;
  const rest = together
    .filter((check) => check !== own && lengthOf(check) > 0)
    .filter((check) => request === undefined || exchanges.get(check)?.includes(`${request} `))
    .sort((a, b) => rank(a) - rank(b) || lengthOf(a) - lengthOf(b));
  return own === undefined ? rest : [...Array.from({ length: RUNS }, () => own), ...rest];
}

function trials(): Trial[] {
  const requests = requestMutants().filter(({ request = "" }) => !(request in withoutEffect));
  const made: Trial[] = [...requests, ...ringMutants()];
  for (const own of musts) {
    const mutant = mutants[own.id];
    const seldom = mutant && oneInThree(mutant);
    if (seldom !== undefined)
      made.push({ name: `${own.id}, one time in three`, mutant: seldom, own });
  }
  return made;
}

/** The check that finds it; undefined if none does. */
async function finder(trial: Trial): Promise<string | undefined> {
  const { mutant } = trial;
  for (const check of await candidates(trial)) {
    const { verdict, id } = await judge(check, mutant.base ?? "block", mutant);
    if (verdict === "FAIL" || verdict === "WARN") return id;
  }
  return undefined;
}

const found = new Map<string, string>();
const missed: string[] = [];

describe("the suite finds faults that were made by operators", { concurrency: PARALLEL }, () => {
  for (const trial of trials()) {
    test(trial.name, async (t) => {
      const id = await finder(trial);
      if (id === undefined) missed.push(trial.name);
      else found.set(trial.name, id);
      t.diagnostic(id === undefined ? "not found" : `found by ${id}`);
    });
  }
});

test("at least 95 % are found, and the rest is listed", (t) => {
  const total = found.size + missed.length;
  const share = (found.size / total) * 100;
  t.diagnostic(`${found.size} of ${total} found (${share.toFixed(1)} %)`);
  assert.ok(share >= 95, `${share.toFixed(1)} % found; not found:\n${missed.sort().join("\n")}`);
  const unlisted = missed.filter((name) => !(name in survivors));
  assert.deepEqual(unlisted, [], "they are listed with a reason in test/long/support/survivors.ts");
});
