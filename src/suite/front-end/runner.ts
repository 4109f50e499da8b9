import type { DeviceName } from "../../protocol/index.ts";
import type { FrontendCheck } from "../check.ts";
import { guarded } from "../guarded.ts";
import { Repetitions } from "../repetitions.ts";
import type { CheckResult } from "../result.ts";
import type { Times } from "../times.ts";
import { deathOf, headOf, judge, skipped } from "../verdict.ts";
import { FrontendContext } from "./context.ts";
import type { FrontendTarget } from "./target.ts";

export interface FrontendRunOptions {
  readonly target: FrontendTarget;
  /** The device that the front-end expects. */
  readonly device: DeviceName;
  readonly times: Times;
  readonly signal?: AbortSignal | undefined;
  /** Each check so many times. Default 1. */
  readonly repeat?: number | undefined;
  readonly onStart?: ((check: FrontendCheck) => void) | undefined;
  readonly onResult?: ((result: CheckResult) => void) | undefined;
}

/** Makes checks of a front-end, one after another; each starts it anew. */
export async function runFrontendChecks(
  checks: readonly FrontendCheck[],
  options: FrontendRunOptions,
): Promise<CheckResult[]> {
  const { signal, repeat = 1 } = options;
  const results: CheckResult[] = [];
  const repetitions = new Repetitions();
  for (const check of checks.flatMap((each) => Array.from({ length: repeat }, () => each))) {
    if (signal?.aborted) break;
    options.onStart?.(check);
    const result = repetitions.kept(await runFrontendCheck(check, options));
    if (signal?.aborted) break;
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}

/** Makes one check. */
export async function runFrontendCheck(
  check: FrontendCheck,
  { target, device, times, signal }: FrontendRunOptions,
): Promise<CheckResult> {
  if (check.needsMonitor && !target.hasMonitor) {
    return skipped(check, "the command has no {qmp}: the suite cannot drive the machine");
  }
  const t = new FrontendContext(target, device, times);
  const start = performance.now();
  let ended: unknown;
  let crash: unknown;
  try {
    const checkMs = times.checkMs * (check.patience ?? 1);
    await guarded(check, { ...times, checkMs }, signal, async () => check.run(t));
  } catch (error) {
    ended = error;
  } finally {
    // What it ends by is looked at before it is ended; an orderly end is its own business.
    crash = deathOf(true, t.ends, t.output);
    await t.close();
  }
  return {
    ...headOf(check),
    ...judge(check, t, crash ?? ended),
    values: t.values,
    durationMs: Math.round(performance.now() - start),
    exchange: t.exchange.lines,
    output: t.output === "" ? undefined : t.output,
  };
}
