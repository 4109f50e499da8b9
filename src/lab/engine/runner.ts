import type { CaseResult } from "../results/index.ts";
import type { Adapter, Lost } from "./adapter.ts";
import type { Case, CaseInfo } from "./case.ts";
import { withinLimit } from "./guard.ts";
import { Repetitions } from "./repetitions.ts";
import { headOf, judge, skipped } from "./verdict.ts";

/** The end of a run whose target is lost. */
export interface EarlyStop {
  readonly reason: string;
  /** The results of the cases that did not run, all of them SKIP. */
  readonly left: readonly CaseResult[];
}

/** Receives the results of a run as they arrive. */
export interface RunObserver {
  readonly onStart?: ((info: CaseInfo) => void) | undefined;
  readonly onResult?: ((result: CaseResult) => void) | undefined;
  /**
   * Called once when the target is lost; the results of the remaining cases are then not given to
   * {@link RunObserver.onResult}.
   */
  readonly onStop?: ((stop: EarlyStop) => void) | undefined;
}

/** Controls the course and end of a run. */
export interface RunControl extends RunObserver {
  /** Ends the run: the running case is dropped without a result, and no other case starts. */
  readonly signal?: AbortSignal | undefined;
  /** Number of runs of each case. Default 1. */
  readonly repeat?: number | undefined;
}

/**
 * Runs cases one after another and returns their results; a case that fails does not end the run.
 *
 * @throws what {@link Adapter.close} throws
 */
export async function runCases<Context, C extends Case<Context>>(
  cases: readonly C[],
  adapter: Adapter<Context, C>,
  control: RunControl = {},
): Promise<CaseResult[]> {
  const { signal, repeat = 1, onStart, onResult } = control;
  const results: CaseResult[] = [];
  const repetitions = new Repetitions();
  const all = cases.flatMap((each) => Array.from({ length: repeat }, () => each));
  try {
    for (const [i, each] of all.entries()) {
      if (signal?.aborted) break;
      onStart?.(each);
      const { result, context } = await runOne(each, adapter, signal);
      const lost = context && (await adapter.lost?.(context, result));
      if (signal?.aborted) break;
      for (const kept of [...(adapter.found?.() ?? []), repetitions.kept(result)]) {
        results.push(kept);
        onResult?.(kept);
      }
      if (lost === undefined) continue;
      results.push(...skipRest(all.slice(i + 1), lost, control));
      break;
    }
  } finally {
    await adapter.end?.();
  }
  return results;
}

/**
 * Runs one case.
 *
 * @throws what {@link Adapter.close} throws
 */
export async function runCase<Context, C extends Case<Context>>(
  each: C,
  adapter: Adapter<Context, C>,
  signal?: AbortSignal,
): Promise<CaseResult> {
  try {
    return (await runOne(each, adapter, signal)).result;
  } finally {
    await adapter.end?.();
  }
}

async function runOne<Context, C extends Case<Context>>(
  each: C,
  adapter: Adapter<Context, C>,
  signal: AbortSignal | undefined,
): Promise<{ readonly result: CaseResult; readonly context?: Context }> {
  const lacking = adapter.missing?.(each);
  if (lacking !== undefined) return { result: skipped(each, lacking) };
  const context = adapter.open(each);
  const start = performance.now();
  let thrown: unknown;
  try {
    const run = async (): Promise<void> =>
      adapter.run === undefined ? each.run(context) : adapter.run(each, context);
    const limitMs = adapter.limitMs?.(each);
    await (limitMs === undefined ? run() : withinLimit(each.id, limitMs, signal, run));
  } catch (error) {
    thrown = error;
  }
  const evidence = await adapter.close(context, thrown);
  const { values, observed, exchange = [], output } = evidence;
  const result: CaseResult = {
    ...headOf(each),
    ...judge(each, evidence, evidence.ended),
    values,
    ...(observed !== undefined && { observed: [...observed].sort() }),
    durationMs: Math.round(performance.now() - start),
    exchange,
    ...(output !== undefined && output !== "" && { output }),
  };
  return { result, context };
}

function skipRest(
  cases: readonly CaseInfo[],
  { reason, because }: Lost,
  { onStop, onResult }: RunObserver,
): readonly CaseResult[] {
  const left = cases.map((each) => skipped(each, because, true));
  if (onStop) onStop({ reason, left });
  else for (const result of left) onResult?.(result);
  return left;
}
