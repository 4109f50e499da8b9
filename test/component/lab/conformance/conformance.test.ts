import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { DeviceName } from "../../../../src/core/protocol/index.ts";
import {
  type Check,
  type CheckInfo,
  type CaseResult,
  checks,
  frontendChecks,
  runCheck,
  runFrontendCheck,
  survey,
  type Target,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { packageRoot } from "../../../support/package-root.ts";
import { conformanceDocument } from "./support/document.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";
import type { Base, Mutant } from "./support/mutant.ts";
import { OwnProgram } from "./support/own-program.ts";
import { InProcessFrontend } from "./support/in-process-frontend.ts";
import { frontendMutants } from "./support/mutants/fe.ts";
import { mutants } from "./support/mutants/index.ts";

guardLeaks();

/** Pairs at once: most of the time they wait. */
const PARALLEL = 24;
/** For whoever writes a check: `CHECK=mem/3` (or `mem/`) runs that alone, and says more. */
const only = process.env["CHECK"];
const isChosen = ({ id }: CheckInfo): boolean =>
  only === undefined || id === only || (only.endsWith("/") && id.startsWith(only));
const chosen = checks.filter(isChosen);

const targetOf = (base: Base, mutant?: Mutant): Target =>
  base === "program" ? OwnProgram.of(mutant) : new InProcessTarget(base, mutant);

async function result(check: Check, base: Base, mutant?: Mutant): Promise<CaseResult> {
  const target = targetOf(base, mutant);
  const times = { ...timesOf(patience(check, base, mutant)), gapMs: 30, checkMs: 60_000 };
  try {
    // A mutant may not survive being looked at; what the healthy one offers is what it claims.
    const facts = await (mutant?.offers
      ? survey(target, times, () => deviceOf(base))
      : healthyFacts(base));
    return await runCheck(check, { target, facts, times, seed: 1 });
  } finally {
    await target.close();
  }
}

/** What passes never waits in vain, whatever else the machine does; a mutant often has it wait. */
function patience(check: Check, base: Base, mutant?: Mutant): number {
  if (mutant === undefined) return 5;
  // Nothing else of this process is in the way of an answer then.
  return runsAlone(check) && base !== "program" ? 0.25 : 1;
}

const deviceOf = (base: Base): DeviceName => (base === "net" || base === "fs" ? base : "block");

const known = new Map<Base, ReturnType<typeof survey>>();
async function healthyFacts(base: Base): ReturnType<typeof survey> {
  let facts = known.get(base);
  if (facts === undefined) {
    facts = looked(base);
    known.set(base, facts);
  }
  return facts;
}

async function looked(base: Base): ReturnType<typeof survey> {
  const target = targetOf(base);
  try {
    return await survey(target, timesOf(), () => deviceOf(base));
  } finally {
    await target.close();
  }
}

/** What looks at a process, or needs a loop that comes round in time for pieces of messages. */
const runsAlone = ({ id, needs }: Check): boolean =>
  !!needs?.process || !!needs?.program || id.startsWith("framing/");

/** What takes long, or is about the process or the socket, whatever the device. */
const isOfNoDevice = (check: Check): boolean =>
  runsAlone(check) || /^(fuzz\/\d+|split\/3|packed\/[28]|event\/[57]|stop\/[36])$/.test(check.id);

/** In parallel, and in the end those that need to be alone. */
async function forAll(
  list: readonly Check[],
  work: (check: Check) => Promise<void>,
): Promise<void> {
  const waiting = list.filter((check) => !runsAlone(check));
  const worker = async (): Promise<void> => {
    for (let check = waiting.shift(); check; check = waiting.shift()) await work(check);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  for (const check of list.filter(runsAlone)) await work(check);
}

function told({ id, verdict, reason, exchange }: CaseResult): string {
  const lines = only === undefined || only.endsWith("/") ? [] : exchange;
  return [`${id}: ${verdict} ${reason ?? ""}`, ...lines].join("\n    ");
}

test("every check has an id of its own, and a mutant", () => {
  const ids = [...checks, ...frontendChecks].map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    [],
  );
  const caught = [...Object.keys(mutants), ...Object.keys(frontendMutants)];
  assert.deepEqual(caught.sort(), ids.toSorted());
});

test("docs/conformance-checks.md is what `npm run docs` writes", () => {
  const path = join(packageRoot, "docs", "conformance-checks.md");
  assert.equal(readFileSync(path, "utf8"), conformanceDocument(), "run `npm run docs`");
});

for (const base of ["block", "net", "fs", "read-only", "wce", "iommu", "program"] as const) {
  test(`our ${base} back-end passes every check`, async (t) => {
    const wrong: string[] = [];
    const mine = ({ id }: Check): boolean => (mutants[id]?.base ?? "block") === base;
    // A device that is there for the sake of single checks is one of the others besides.
    const isAsked = (check: Check): boolean =>
      base === "block" || mine(check) || (deviceOf(base) === base && !isOfNoDevice(check));
    const asked = chosen.filter(isAsked);
    await forAll(asked, async (check) => {
      const got = await result(check, base);
      if (only !== undefined) t.diagnostic(told(got));
      const fine = ["PASS", "INFO", "SKIP"].includes(got.verdict);
      // Where its mutant is made of this device, a skip would prove nothing.
      if (!fine || (mine(check) && got.verdict === "SKIP")) wrong.push(told(got));
    });
    assert.deepEqual(wrong, []);
  });
}

test("every check finds the fault of its mutant", async (t) => {
  const missed: string[] = [];
  await forAll(chosen, async (check) => {
    const mutant = mutants[check.id];
    assert.ok(mutant);
    const { base = "block" } = mutant;
    const got = await result(check, base, mutant);
    if (only !== undefined) t.diagnostic(told(got));
    const found =
      check.strength === "-"
        ? got.reason !== (await result(check, base)).reason
        : got.verdict === "FAIL" || got.verdict === "WARN";
    if (!found) missed.push(`${told(got)} on a back-end that ${mutant.fault}`);
  });
  assert.deepEqual(missed, []);
});

test("our client passes every check of a front-end, and each finds the fault of its mutant", async (t) => {
  const wrong: string[] = [];
  const waiting = frontendChecks
    .filter(isChosen)
    .flatMap((check) =>
      [undefined, frontendMutants[check.id]].map((mutant) => ({ check, mutant })),
    );
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { check, mutant } = next;
      const target = new InProcessFrontend(mutant);
      const times = timesOf(mutant ? 1 : 3);
      const got = await runFrontendCheck(check, { target, device: "block", times });
      if (only !== undefined) t.diagnostic(told(got));
      const found = got.verdict === "FAIL" || got.verdict === "WARN";
      const right = mutant ? found : got.verdict === "PASS";
      if (!right) wrong.push(`${told(got)} of ${target.name}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  assert.deepEqual(wrong, []);
});
