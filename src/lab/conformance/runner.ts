import { delay } from "../../core/base/index.ts";
import { type Check, isHostile } from "./check.ts";
import { CheckContext } from "./context.ts";
import { kitOf } from "./kit/back-end/kits.ts";
import { ATTEMPTS, type EarlyStop, stopEarly } from "./early-stop.ts";
import type { Facts } from "./facts.ts";
import { missing } from "./needs.ts";
import { CheckFailure } from "./failure.ts";
import { guarded } from "./guarded.ts";
import { seededRandom } from "./random.ts";
import { Repetitions } from "./repetitions.ts";
import type { CaseResult } from "../results/index.ts";
import { storyOf } from "./targets/story.ts";
import { endText, type Target } from "./targets/target.ts";
import type { Times } from "./times.ts";
import { deathOf, headOf, judge, skipped } from "./verdict.ts";

/** A process that dies of what a check did is seen dead this soon. */
const DEATH_MS = 100;
/** Between attempts to reach a target that the suite cannot restart: a part of the time for an answer. */
const PAUSE = 0.5;

export interface RunOptions {
  readonly target: Target;
  readonly facts: Facts;
  readonly times: Times;
  /** What random numbers begin with. */
  readonly seed: number;
  /** Aborted: the check in work is given up, and no further one begins. */
  readonly signal?: AbortSignal | undefined;
  /** Each check so many times. Default 1. */
  readonly repeat?: number | undefined;
  readonly onStart?: ((check: Check) => void) | undefined;
  readonly onResult?: ((result: CaseResult) => void) | undefined;
  /**
   * The target cannot be reached any more: the checks that are left are skipped, and are not given to
   * {@link RunOptions.onResult}. Without it they are.
   */
  readonly onStop?: ((stop: EarlyStop) => void) | undefined;
}

/** Makes the checks, one after another, and returns what they came to; never throws for a target. */
export async function runChecks(
  checks: readonly Check[],
  options: RunOptions,
): Promise<CaseResult[]> {
  const { signal, repeat = 1 } = options;
  const results: CaseResult[] = [];
  const repetitions = new Repetitions();
  const all = checks.flatMap((each) => Array.from({ length: repeat }, () => each));
  for (const [i, check] of all.entries()) {
    if (signal?.aborted) break;
    options.onStart?.(check);
    const result = repetitions.kept(await runCheck(check, options));
    const gone = result.verdict === "FAIL" ? await unreachable(options) : undefined;
    if (signal?.aborted) break;
    results.push(result);
    options.onResult?.(result);
    if (gone === undefined) continue;
    const reason = `the target could not be reached in ${ATTEMPTS} attempts: ${gone}`;
    results.push(...stopEarly(all.slice(i + 1), reason, "the target is gone", options));
    break;
  }
  return results;
}

/** Makes one check. */
export async function runCheck(check: Check, options: RunOptions): Promise<CaseResult> {
  const { target, facts, times, seed } = options;
  const lacking = missing(check.needs, facts, target);
  if (lacking !== undefined) return skipped(check, lacking);
  const random = seededRandom(`${seed} ${check.id}`);
  const t = new CheckContext({ target, facts, times, random });
  const start = performance.now();
  // What happened before belongs to nobody's check: it was told of, or is about to be found.
  target.story();
  let ended: unknown;
  try {
    await guarded(check, times, options.signal, async () => {
      if (isHostile(check)) await sane(t, "before");
      await check.run(t);
      if (isHostile(check)) await sane(t, "after");
    });
  } catch (error) {
    ended = error;
  } finally {
    t.close();
  }
  const suspicious = ended instanceof CheckFailure || t.endedByTarget;
  const { ends, output } = await storyOf(target, suspicious ? DEATH_MS : 0);
  for (const end of ends) t.exchange.note("··", `the target's process ${endText(end)}`);
  const outcome = judge(check, t, deathOf(facts.oneSession, ends, output) ?? ended);
  return {
    ...headOf(check),
    ...outcome,
    values: t.values,
    durationMs: Math.round(performance.now() - start),
    exchange: t.exchange.lines,
    output: output === "" ? undefined : output,
  };
}

/** A clean session, with a request where one is known. */
async function sane(t: CheckContext, when: "before" | "after"): Promise<void> {
  const mark = t.exchange.mark();
  try {
    if (kitOf(t.facts.device) === undefined) await t.again();
    else await (await t.up({ session: await t.again() })).request();
  } catch (error) {
    if (!(error instanceof CheckFailure)) throw error;
    throw new CheckFailure(`the clean session ${when} the check: ${error.message}`, {
      grade: "FAIL",
      expected: error.expected ?? "a clean session",
      actual: error.actual ?? "",
    });
  }
  t.closeSessions();
  t.exchange.fold(mark, `a clean session ${when} the check`);
}

/**
 * Why the target serves no more, after {@link ATTEMPTS} attempts; undefined: it does. A process of
 * ours that hangs is started anew; a supervisor of another process is given a moment to do so.
 */
async function unreachable({
  target,
  facts,
  times,
  signal,
}: RunOptions): Promise<string | undefined> {
  let reason = "";
  for (let attempt = 1; attempt <= ATTEMPTS && !signal?.aborted; attempt++) {
    const t = new CheckContext({ target, facts, times, random: Math.random });
    try {
      if (attempt > 1) {
        if (target.restart === undefined) await delay(times.answerMs * PAUSE);
        else await target.restart();
      }
      await t.again();
      return undefined;
    } catch (error) {
      const found = error instanceof CheckFailure ? (error.actual ?? error.message) : undefined;
      reason = found ?? (error instanceof Error ? error.message : String(error));
    } finally {
      t.close();
    }
  }
  return reason;
}
