/** Runs of the suite on one target, and which of its verdicts are not the same in all of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import {
  checks,
  type CaseResult,
  knownDevice,
  parseBaseline,
  ProgramTarget,
  runChecks,
  selectChecks,
  survey,
  timesOf,
} from "../../../src/lab/conformance/index.ts";
import { packageRoot } from "../../support/package-root.ts";
import type { Judged } from "./verdict-targets.ts";

/** The factor of every wait, and whether other work keeps the processors busy. */
interface Conditions {
  readonly factor: number;
  readonly busy: boolean;
}

const LATE: Conditions = { factor: 5, busy: true };
const RUNS: readonly Conditions[] = [
  ...Array.from({ length: 5 }, () => ({ factor: 1, busy: false })),
  ...Array.from({ length: 2 }, () => ({ factor: 0.5, busy: false })),
  ...Array.from({ length: 2 }, () => LATE),
];
/** Runs of a check that may depend on time, half of them on busy processors. */
const REPETITIONS = 20;
/** Threads that compute: one for each of two processors. */
const LOAD = 2;
/** A check that takes longer with longer waits, by this number of milliseconds and this factor, waits for time to pass. */
const LONGER_MS = 100;
const LONGER = 2;

/** One run of a check. */
export type Outcome = Pick<CaseResult, "id" | "verdict" | "durationMs" | "reason">;

/** A run of the suite. */
export interface Run {
  readonly factor: number;
  readonly outcomes: readonly Outcome[];
}

/** Keeps processors busy until it is disposed. */
function startLoad(): Disposable {
  const workers = Array.from({ length: LOAD }, () => new Worker("for (;;);", { eval: true }));
  return {
    [Symbol.dispose]: () => {
      for (const worker of workers) void worker.terminate();
    },
  };
}

/** @param only ids of the checks to run; default: all of the standard profile */
async function runOnce(
  t: TestContext,
  { device, command, shell }: Judged,
  { factor, busy, only, repeat }: Conditions & { only?: readonly string[]; repeat?: number },
): Promise<Run> {
  const target = new ProgramTarget(command(t), { shell, timeoutMs: 30_000 * Math.max(1, factor) });
  using _load = busy ? startLoad() : undefined;
  try {
    const times = timesOf(factor);
    const facts = await survey(target, times, () => knownDevice(device));
    const chosen = selectChecks(checks, { profile: "standard" }).filter(
      ({ id }) => only === undefined || only.includes(id),
    );
    const outcomes = await runChecks(chosen, { target, facts, times, seed: 1, repeat });
    return { factor, outcomes };
  } finally {
    await target.close();
  }
}

/**
 * Runs every check nine times, under different conditions, and then 20 times those whose verdict
 * differed and those that wait for time to pass.
 */
export async function runsOf(t: TestContext, judged: Judged): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (const conditions of RUNS) {
    runs.push(await runOnce(t, judged, conditions));
    t.diagnostic(`factor ${conditions.factor}${conditions.busy ? ", busy" : ""}: ${summary(runs)}`);
  }
  const only = [...new Set([...differing(runs).keys(), ...waiting(runs)])];
  if (only.length === 0) return runs;
  t.diagnostic(`${REPETITIONS} times: ${only.join(" ")}`);
  for (const busy of [false, true]) {
    runs.push(await runOnce(t, judged, { factor: 1, busy, only, repeat: REPETITIONS / 2 }));
  }
  return runs;
}

/** The verdicts of each check whose verdict was not the same in all runs. */
export function differing(runs: readonly Run[]): ReadonlyMap<string, readonly Outcome[]> {
  const all = new Map<string, Outcome[]>();
  for (const outcome of runs.flatMap(({ outcomes }) => outcomes))
    all.set(outcome.id, [...(all.get(outcome.id) ?? []), outcome]);
  return new Map(
    [...all].filter(([, outcomes]) => new Set(outcomes.map(({ verdict }) => verdict)).size > 1),
  );
}

/** Checks that took longer with the longest waits than with the usual ones. */
export function waiting(runs: readonly Run[]): readonly string[] {
  const shortest = (factor: number): ReadonlyMap<string, number> => {
    const found = new Map<string, number>();
    for (const run of runs.filter((each) => each.factor === factor))
      for (const { id, durationMs } of run.outcomes)
        found.set(id, Math.min(found.get(id) ?? Infinity, durationMs));
    return found;
  };
  const usual = shortest(1);
  return [...shortest(LATE.factor)].flatMap(([id, late]) => {
    const soon = usual.get(id) ?? Infinity;
    return late > soon * LONGER && late > soon + LONGER_MS ? [id] : [];
  });
}

/** Ids of checks that may differ: a baseline says so. */
export function racing({ baseline }: Judged): ReadonlySet<string> {
  if (baseline === undefined) return new Set();
  const path = join(packageRoot, "baselines", `${baseline}.json`);
  const { expectations } = parseBaseline(readFileSync(path, "utf8"), path);
  return new Set(expectations.flatMap(({ check, sometimes }) => (sometimes ? [check] : [])));
}

/** One line for a check whose verdict differed. */
export function lineOf(outcomes: readonly Outcome[]): string {
  const [first] = outcomes;
  const reasons = new Set(outcomes.map(({ verdict, reason }) => `${verdict} ${reason ?? ""}`));
  return `${first?.id}: ${outcomes.map(({ verdict }) => verdict).join(" ")} (${[...reasons].join("; ")})`;
}

function summary(runs: readonly Run[]): string {
  const verdicts = runs.at(-1)?.outcomes.map(({ verdict }) => verdict) ?? [];
  const words = [...new Set(verdicts)].map(
    (each) => `${verdicts.filter((verdict) => verdict === each).length} ${each}`,
  );
  return `${words.join(", ")}; ${differing(runs).size} differ so far`;
}
