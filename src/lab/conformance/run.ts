import { runCase, runCases, type RunControl } from "../engine/index.ts";
import type { CaseResult } from "../results/index.ts";
import type { Check, FrontendCheck } from "./kit/check.ts";
import { BackendAdapter, type BackendSubject } from "./kit/back-end/adapter.ts";
import { FrontendAdapter, type FrontendSubject } from "./kit/front-end/adapter.ts";

/** A back-end, and how its checks run. */
export type RunOptions = BackendSubject & RunControl;
/** A front-end, and how its checks run. */
export type FrontendRunOptions = FrontendSubject & RunControl;

/** Runs checks of a back-end one after another, and returns their results. */
export async function runChecks(
  checks: readonly Check[],
  options: RunOptions,
): Promise<CaseResult[]> {
  return runCases(checks, new BackendAdapter(options), options);
}

/** Runs one check of a back-end. */
export async function runCheck(check: Check, options: RunOptions): Promise<CaseResult> {
  return runCase(check, new BackendAdapter(options), options.signal);
}

/**
 * Runs checks of a front-end one after another, and returns their results.
 *
 * @throws {EnvironmentError} there is no such program
 */
export async function runFrontendChecks(
  checks: readonly FrontendCheck[],
  options: FrontendRunOptions,
): Promise<CaseResult[]> {
  return runCases(checks, new FrontendAdapter(options), options);
}

/**
 * Runs one check of a front-end.
 *
 * @throws {EnvironmentError} there is no such program
 */
export async function runFrontendCheck(
  check: FrontendCheck,
  options: FrontendRunOptions,
): Promise<CaseResult> {
  return runCase(check, new FrontendAdapter(options), options.signal);
}
