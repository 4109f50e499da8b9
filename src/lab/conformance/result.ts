import type { Strength } from "./check.ts";

/** What a check came to. */
export type Verdict = "PASS" | "FAIL" | "WARN" | "SKIP" | "INFO" | "ERROR";

/** One thing that was not as it should be. */
export interface Finding {
  readonly message: string;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
}

/** A check's result, and what led to it. */
export interface CheckResult {
  readonly id: string;
  readonly title: string;
  readonly strength: Strength;
  readonly section: string;
  readonly verdict: Verdict;
  /** Why it is not PASS, in one line. */
  readonly reason?: string | undefined;
  readonly findings: readonly Finding[];
  /** Values that were recorded. */
  readonly values: readonly string[];
  readonly durationMs: number;
  /** What went to and fro, decoded, a line an event. */
  readonly exchange: readonly string[];
  /** What the target printed meanwhile. */
  readonly output?: string | undefined;
}
