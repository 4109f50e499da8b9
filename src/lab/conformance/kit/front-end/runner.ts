import { EnvironmentError } from "../../../../core/base/index.ts";
import type { DeviceName } from "../../../../core/protocol/index.ts";
import type { FrontendCheck } from "../../check.ts";
import { ATTEMPTS, type EarlyStop, stopEarly } from "../../early-stop.ts";
import { guarded } from "../../guarded.ts";
import { Repetitions } from "../../repetitions.ts";
import type { CaseResult } from "../../../results/index.ts";
import type { Times } from "../../times.ts";
import { endText } from "../../targets/target.ts";
import { deathOf, headOf, judge, skipped } from "../../verdict.ts";
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
  readonly onResult?: ((result: CaseResult) => void) | undefined;
  /** The front-end does not connect: as for back-ends. */
  readonly onStop?: ((stop: EarlyStop) => void) | undefined;
}

/**
 * Makes checks of a front-end, one after another; each starts it anew.
 *
 * @throws {EnvironmentError} there is no such program
 */
export async function runFrontendChecks(
  checks: readonly FrontendCheck[],
  options: FrontendRunOptions,
): Promise<CaseResult[]> {
  const { signal, repeat = 1 } = options;
  const results: CaseResult[] = [];
  const repetitions = new Repetitions();
  const all = checks.flatMap((each) => Array.from({ length: repeat }, () => each));
  for (const [i, check] of all.entries()) {
    if (signal?.aborted) break;
    options.onStart?.(check);
    const { result, neverConnected, ended } = await made(check, options);
    // A program that is missing is missing for every check.
    if (ended instanceof EnvironmentError && results.length === 0) throw ended;
    const kept = repetitions.kept(result);
    const failed = result.verdict === "FAIL" || result.verdict === "WARN";
    const away = neverConnected && failed && (await staysAway(options));
    if (signal?.aborted) break;
    results.push(kept);
    options.onResult?.(kept);
    if (!away) continue;
    const reason = `the front-end did not connect in ${ATTEMPTS} attempts`;
    results.push(...stopEarly(all.slice(i + 1), reason, "the front-end does not connect", options));
    break;
  }
  return results;
}

/** Makes one check. */
export async function runFrontendCheck(
  check: FrontendCheck,
  options: FrontendRunOptions,
): Promise<CaseResult> {
  return (await made(check, options)).result;
}

/** Whether the front-end does not connect in the attempts that are left after a first one. */
async function staysAway({ target, device, times, signal }: FrontendRunOptions): Promise<boolean> {
  for (let attempt = 2; attempt <= ATTEMPTS && !signal?.aborted; attempt++) {
    const t = new FrontendContext(target, device, times);
    try {
      await t.settled(await t.boot(), ({ conversations }) => conversations.length > 0);
      if (!t.neverConnected) return false;
    } finally {
      await t.close();
    }
  }
  return true;
}

/** A result, and what the run has to know besides. */
interface Made {
  readonly result: CaseResult;
  readonly neverConnected: boolean;
  /** What ended the check, if anything did. */
  readonly ended: unknown;
}

async function made(
  check: FrontendCheck,
  { target, device, times, signal }: FrontendRunOptions,
): Promise<Made> {
  if (check.needsMonitor && !target.hasMonitor) {
    const because =
      target.socketPath === undefined ? "the command has no {qmp}" : "it has no monitor";
    const reason = `${because}: the suite cannot drive the machine`;
    return { result: skipped(check, reason), neverConnected: false, ended: undefined };
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
    for (const end of t.ends) t.exchange.note("··", `the front-end ${endText(end)}`);
    await t.close();
  }
  const result = {
    ...headOf(check),
    ...judge(check, t, crash ?? ended),
    values: t.values,
    durationMs: Math.round(performance.now() - start),
    exchange: t.exchange.lines,
    output: t.output === "" ? undefined : t.output,
  };
  return { result, neverConnected: t.neverConnected, ended };
}
